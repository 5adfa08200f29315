package simulate

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol"
)

// Event is one line of a trace: from At on the server runs, or it does not.
type Event struct {
	At     time.Time
	Server string
	Start  bool
	Memory int64 // of a start
}

// Header is the first line of a trace.
const Header = "time,server,event,memory"

// Format says how a trace is written.
const Format = `A trace is CSV with the header ` + Header + ` and lines in the order of time:
  time    RFC 3339, as 2026-01-05T18:30:00Z
  server  any name, at most 100 characters
  event   start or stop
  memory  of a start: 2GiB, 512MiB, 4G; of a stop: empty, or the same again
A server that never stops runs to the end of the trace, which is its last line.`

// maxEvents bounds a trace.
const maxEvents = 5_000_000

// ReadTrace reads a trace and refuses what it does not understand, naming the line. Kinds: invalid.
func ReadTrace(r io.Reader) ([]Event, error) {
	cr := csv.NewReader(bufio.NewReader(r))
	cr.FieldsPerRecord, cr.ReuseRecord = 4, true
	head, err := cr.Read()
	if err != nil || strings.TrimPrefix(strings.Join(head, ","), "\ufeff") != Header {
		return nil, fault.New(fault.Invalid, "line 1 of the trace is not "+Header, Format)
	}
	running := map[string]int64{}
	var out []Event
	for {
		rec, err := cr.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			return nil, bad(wrong.Line, wrong.Err)
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the trace cannot be read", "")
		}
		line, _ := cr.FieldPos(0)
		e, err := parse(rec, running)
		if err == nil && len(out) > 0 && e.At.Before(out[len(out)-1].At) {
			err = errors.New("the time is before that of the line above: sort the trace by time")
		}
		if err == nil && len(out) == maxEvents {
			err = fmt.Errorf("a trace has at most %d events", maxEvents)
		}
		if err != nil {
			return nil, bad(line, err)
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "the trace has no events", Format)
	}
	if d := out[len(out)-1].At.Sub(out[0].At); d > 400*24*time.Hour {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("the trace is %d days long", int(d.Hours()/24)), "400 days are the most")
	}
	return out, nil
}

func bad(line int, err error) error {
	return fault.New(fault.Invalid, fmt.Sprintf("line %d of the trace: %v", line, err), Format)
}

// parse reads one line; running has the memory of the servers that run.
func parse(rec []string, running map[string]int64) (Event, error) {
	at, err := time.Parse(time.RFC3339, rec[0])
	if err != nil {
		return Event{}, fmt.Errorf("%q is not a time as 2026-01-05T18:30:00Z", rec[0])
	}
	e := Event{At: at.UTC(), Server: strings.Clone(rec[1])}
	if e.Server == "" || len(e.Server) > 100 {
		return e, errors.New("the server's name is empty or longer than 100 characters")
	}
	has, runs := running[e.Server]
	if rec[3] != "" {
		if e.Memory, err = protocol.ParseSize(rec[3]); err != nil {
			return e, fmt.Errorf("%q is not a size as 2GiB", rec[3])
		}
	}
	switch rec[2] {
	case "start":
		if runs {
			return e, fmt.Errorf("server %s runs already", e.Server)
		}
		if e.Memory < 1<<20 || e.Memory > 1<<45 {
			return e, errors.New("a start needs its memory, 1MiB to 32TiB")
		}
		e.Start = true
		running[e.Server] = e.Memory
	case "stop":
		if !runs {
			return e, fmt.Errorf("server %s does not run", e.Server)
		}
		if e.Memory != 0 && e.Memory != has {
			return e, fmt.Errorf("server %s was started with %s", e.Server, protocol.FormatSize(has))
		}
		delete(running, e.Server)
	default:
		return e, fmt.Errorf("%q is neither start nor stop", rec[2])
	}
	return e, nil
}

// WriteTrace writes a trace as ReadTrace reads it.
func WriteTrace(w io.Writer, trace []Event) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, Header)
	cw := csv.NewWriter(b)
	for _, e := range trace {
		event, memory := "stop", ""
		if e.Start {
			event, memory = "start", fmt.Sprintf("%dMiB", e.Memory>>20)
		}
		if err := cw.Write([]string{e.At.UTC().Format(time.RFC3339), e.Server, event, memory}); err != nil {
			return err
		}
	}
	cw.Flush()
	return errors.Join(cw.Error(), b.Flush())
}
