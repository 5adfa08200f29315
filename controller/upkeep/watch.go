package upkeep

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/store"
)

// diskOf asks the kernel.
func diskOf(dir string) (Disk, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return Disk{}, err
	}
	return Disk{Free: int64(fs.Bavail) * fs.Bsize, Total: int64(fs.Blocks) * fs.Bsize, InodesFree: int64(fs.Ffree), Inodes: int64(fs.Files)}, nil
}

// facts looks at everything. What cannot be read is left out and is part of err.
func (u *Upkeep) facts(ctx context.Context) (Facts, error) {
	u.mu.Lock()
	trimmed := u.trimmed
	u.mu.Unlock()
	if trimmed.IsZero() {
		trimmed = u.started
	}
	f := Facts{Now: u.o.Now(), Data: u.o.Data, Trimmed: trimmed}
	var diskErr, stockErr error
	f.Disk, diskErr = u.o.Disk(u.o.Data)
	if u.o.File != nil {
		f.HasFile, f.Broken = true, u.o.File.Broken()
		f.File, f.FileFree = u.o.File.Sizes()
	}
	f.Stock, stockErr = u.o.Events.Stock(ctx, f.Now)
	f.NoStock = stockErr != nil
	return f, errors.Join(diskErr, stockErr)
}

// Readings says how near every limit is.
func (u *Upkeep) Readings(ctx context.Context) []Reading {
	f, err := u.facts(ctx)
	if err != nil {
		u.o.Logger.DebugContext(ctx, "not every limit could be looked at", "error", err)
	}
	return Judge(f)
}

// Watch tells, in the log of events and in that of the process, when a disk gets low or retention is held back, once, and when
// that is over.
func (u *Upkeep) Watch(ctx context.Context) error {
	f, err := u.facts(ctx)
	u.m.show(Judge(f))
	errs := []error{err} // what could be read is told all the same
	if f.Disk.Total > 0 {
		errs = append(errs, u.tell(ctx, "store.disk_low", "store.disk_ok", again(u.was("store.disk_low"), f.Disk), map[string]any{"free_bytes": f.Disk.Free, "total_bytes": f.Disk.Total}))
	}
	if !f.NoStock {
		errs = append(errs, u.tell(ctx, "store.events_held", "store.events_released", f.Stock.Held > mostHeld, map[string]any{"cursor": f.Stock.HeldBy, "events": f.Stock.Held}))
	}
	return errors.Join(errs...)
}

func (u *Upkeep) was(what string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.told[what]
}

// tell logs a change of one thing. On a disk that is full already the event cannot be written: it is tried again next time.
func (u *Upkeep) tell(ctx context.Context, begins, ends string, is bool, data map[string]any) error {
	if u.was(begins) == is {
		return nil
	}
	what := ends
	if is {
		what = begins
	}
	err := u.o.DB.Update(ctx, func(tx store.Tx) error {
		_, err := u.o.Events.Append(tx, event.Event{Type: what, Actor: "controller", Data: event.JSON(data)})
		return err
	})
	if err != nil {
		return err
	}
	u.o.Logger.WarnContext(ctx, "a limit was crossed", "what", what, "data", data)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.told[begins] = is
	return nil
}
