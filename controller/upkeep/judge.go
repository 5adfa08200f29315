package upkeep

import (
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol"
)

// Level says how near a limit is.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn" // act soon
	Fail Level = "fail" // something does not work any more
)

// Reading is one limit: where it is, where it stands, and what to do.
type Reading struct {
	Name  string // disk, store, events, held, retention, writes
	Level Level
	Value string
	Limit string
	Text  string // what is wrong; empty when nothing is
	Next  string
}

// Disk is how full a file system is, in bytes and inodes.
type Disk struct{ Free, Total, InodesFree, Inodes int64 }

// Facts are what Judge looks at.
type Facts struct {
	Now      time.Time
	Data     string
	Disk     Disk
	HasFile  bool
	File     int64 // bytes of the store's file
	FileFree int64
	Broken   error
	Stock    event.Stock
	NoStock  bool      // it could not be read
	Trimmed  time.Time // the last whole round of trimming, or the start of the process
}

const (
	// bigStore is the size of file from which a start may take longer than 2 s on a busy machine.
	bigStore = 600 << 20
	// emptyStore and half of it free: a compaction is worth it.
	emptyStore = 64 << 20
	// mostHeld is how many events a cursor may hold back before somebody should look.
	mostHeld = 10_000
	// trimLate is how long trimming may fail before somebody should look.
	trimLate = time.Hour
)

// Judge compares everything with its limit. Pure.
func Judge(f Facts) []Reading {
	out := []Reading{disk(f)}
	if f.HasFile {
		out = append(out, writes(f), file(f))
	}
	if f.NoStock {
		return append(out, Reading{Name: "events", Level: Warn, Value: "unknown", Text: "the log of events cannot be read", Next: "controller store check"}, retention(f))
	}
	return append(out, kept(f), heldBack(f), retention(f))
}

// low and full are the free bytes below which a disk is nearly full and as good as full.
func low(total int64) int64  { return min(total/20, 10<<30) }
func full(total int64) int64 { return min(total/100, 256<<20) }

func disk(f Facts) Reading {
	d := f.Disk
	r := Reading{Name: "disk", Level: OK, Value: protocol.FormatSize(d.Free) + " free of " + protocol.FormatSize(d.Total),
		Limit: "at least " + protocol.FormatSize(low(d.Total)) + " free"}
	switch {
	case d.Total == 0:
		r.Level, r.Value, r.Text, r.Next = Warn, "unknown", "the disk of "+f.Data+" cannot be looked at", "look at the directory's owner and mode"
	case d.Free < full(d.Total):
		r.Level, r.Text, r.Next = Fail, "the disk of "+f.Data+" is as good as full: changes are refused (507) when nothing is left, games run on", "free space; the controller goes on by itself"
	case d.Free < low(d.Total):
		r.Level, r.Text, r.Next = Warn, "the disk of "+f.Data+" is nearly full", "free space before changes are refused"
	case d.Inodes > 0 && d.InodesFree < d.Inodes/100:
		r.Level, r.Text, r.Next = Warn, fmt.Sprintf("the disk of %s has few inodes left: %d of %d", f.Data, d.InodesFree, d.Inodes), "delete small files there"
	}
	return r
}

func writes(f Facts) Reading {
	r := Reading{Name: "writes", Level: OK, Value: "taken"}
	if f.Broken != nil {
		r.Level, r.Value, r.Text, r.Next = Fail, "refused", fault.Message(f.Broken), fault.Next(f.Broken)
	}
	return r
}

func file(f Facts) Reading {
	r := Reading{Name: "store", Level: OK, Value: fmt.Sprintf("%s, %s of it free", protocol.FormatSize(f.File), protocol.FormatSize(f.FileFree)),
		Limit: protocol.FormatSize(bigStore) + ", beyond which a start may take more than 2 s"}
	switch {
	case f.File > emptyStore && f.FileFree*2 > f.File:
		r.Level, r.Text, r.Next = Warn, "more than half of the store's file is empty", "controller store compact"
	case f.File > bigStore:
		r.Level, r.Text, r.Next = Warn, "the store's file is large: a start reads all of it", "see which table is large (payperplay_store_rows), or move to Postgres"
	}
	return r
}

func kept(f Facts) Reading {
	r := Reading{Name: "events", Level: OK, Value: fmt.Sprint(f.Stock.Count), Limit: fmt.Sprint(f.Stock.Max)}
	if !f.Stock.Oldest.IsZero() {
		r.Value += fmt.Sprintf(", the oldest %d days old", int(f.Now.Sub(f.Stock.Oldest).Hours()/24))
	}
	return r
}

func heldBack(f Facts) Reading {
	r := Reading{Name: "held", Level: OK, Value: fmt.Sprintf("%d events beyond their retention", f.Stock.Held), Limit: fmt.Sprint(mostHeld)}
	if f.Stock.Held > mostHeld {
		r.Level = Warn
		r.Text = fmt.Sprintf("the reader %s is behind and keeps %d events from being deleted", f.Stock.HeldBy, f.Stock.Held)
		r.Next = "see why it stands still: its name is in the log and in payperplay_event_cursor_lag"
	}
	return r
}

func retention(f Facts) Reading {
	ago := f.Now.Sub(f.Trimmed)
	r := Reading{Name: "retention", Level: OK, Value: fmt.Sprintf("%d min ago", int(ago.Minutes())), Limit: fmt.Sprintf("%d min", int(trimLate.Minutes()))}
	if ago > trimLate {
		r.Level, r.Text, r.Next = Warn, "old rows have not been deleted for a while", "look for \"loop run failed\" of the loop retention in the log"
	}
	return r
}

// again tells whether a disk that was low still counts as low: it has to recover by half of the limit more, so that a disk at
// the limit does not tell of itself every minute. Pure.
func again(was bool, d Disk) bool {
	if d.Total == 0 {
		return was
	}
	if was {
		return d.Free < low(d.Total)*3/2
	}
	return d.Free < low(d.Total)
}
