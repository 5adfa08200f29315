package open

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
)

// Restore makes the store at address a copy of the backup file, all of it or nothing. A file that is there is replaced and
// kept beside it (bolt.Restore); a database has to be empty. The backup is checked first.
func Restore(ctx context.Context, backupFile, address string) (err error) {
	a, err := Parse(address)
	if err != nil {
		return err
	}
	if a.Engine == Bolt {
		return bolt.Restore(ctx, backupFile, a.Path)
	}
	report, err := bolt.Check(ctx, backupFile)
	if err != nil {
		return err
	}
	if !report.Clean() {
		return fault.New(fault.Invalid, "the backup "+backupFile+" is damaged: "+report.Findings[0].String(), "nothing was changed: restore an older backup")
	}
	src, err := bolt.Read(ctx, backupFile)
	if err != nil {
		return err
	}
	defer closing(src, &err)
	stage, err := engineOf(a).stage(ctx, a)
	if err != nil {
		return err
	}
	defer closing(stage, &err)
	marked := restored{src}
	if err := transfer(ctx, marked, stage, 0, nil); err != nil {
		return err
	}
	err = compare(ctx, marked, stage, 0, nil)
	var d difference
	if errors.As(err, &d) {
		return fault.Wrap(err, fault.Internal, fmt.Sprintf("what arrived at %s is not the backup: %s", a, d.what), "nothing was changed; try another database")
	}
	if err != nil {
		return err
	}
	return stage.Publish(ctx)
}

// restored is a backup with one more value of store.RestoreSequence taken, by which the controller's next start sees that it
// runs on a backup.
type restored struct{ store.Source }

// Dump implements store.Source.
func (r restored) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	return r.Source.Dump(ctx, func(h store.Header) error {
		h.Sequences = maps.Clone(h.Sequences)
		if h.Sequences == nil {
			h.Sequences = map[string]int64{}
		}
		h.Sequences[store.RestoreSequence]++
		return head(h)
	}, row)
}
