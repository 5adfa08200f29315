package upkeep

import (
	"context"
	"errors"
	"fmt"

	"github.com/payperplay/payperplay/controller/store"
)

// Trim is one round: events first, then each kind of rows, in small transactions. What fails stops nothing else.
func (u *Upkeep) Trim(ctx context.Context) error {
	n, err := u.o.Events.Trim(ctx, u.o.Now())
	u.m.trim("events", n)
	errs := []error{err}
	for _, t := range u.o.Trims {
		n, err := u.trimAll(ctx, t)
		u.m.trim(t.What, n)
		if err != nil {
			errs = append(errs, fmt.Errorf("trim %s: %w", t.What, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.trimmed = u.o.Now()
	return nil
}

func (u *Upkeep) trimAll(ctx context.Context, t Trim) (total int64, err error) {
	for {
		n := 0
		err := u.o.DB.Update(ctx, func(tx store.Tx) (err error) {
			n, err = t.Some(tx, u.o.Now(), trimBatch)
			return err
		})
		if err != nil {
			return total, err
		}
		if total += int64(n); n < trimBatch {
			return total, nil
		}
	}
}
