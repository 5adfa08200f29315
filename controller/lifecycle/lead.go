package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// Lead raises the term above the highest that agents have seen, so that they follow this controller. The operator has made sure that
// no other one runs. It gives the term. Kinds: unavailable (this store cannot).
func (l *Lifecycle) Lead(ctx context.Context, actor string) (int64, error) {
	v, err := l.Recovery(ctx)
	if err != nil {
		return 0, err
	}
	highest := int64(0)
	for _, f := range v.Findings {
		highest = max(highest, f.Term)
	}
	if highest > v.Term {
		raiser, ok := l.db.(store.TermRaiser)
		if !ok {
			return v.Term, fault.New(fault.Unavailable, "this store cannot raise its term", fmt.Sprintf("start the controller %d times", highest-v.Term))
		}
		if err := raiser.RaiseTerm(ctx, highest+1); err != nil {
			return v.Term, err
		}
	}
	now := time.Now().UTC()
	return l.db.Term(), l.update(ctx, func(tx store.Tx) error {
		led := 0
		for _, f := range v.Findings {
			if f.Sign != fleet.SignTerm || !f.Undecided() || f.Term > highest {
				continue
			}
			f.Choice, f.ChosenBy, f.ChosenAt = fleet.Led, actor, now
			if err := fleet.Findings.Put(tx, f); err != nil {
				return err
			}
			led++
		}
		if led == 0 {
			return nil
		}
		if err := fleet.Recount(tx); err != nil {
			return err
		}
		_, err := l.events.Append(tx, event.Event{Type: "node.recovery_led", Actor: actor, Data: event.JSON(map[string]any{"from": v.Term, "term": l.db.Term(), "seen": highest})})
		return err
	})
}

// EndRecovery lets the controller act by itself again. While something is undecided it is refused, unless leave says that those
// servers stay frozen. Ending twice is no error. Kinds: conflict (names what is undecided).
func (l *Lifecycle) EndRecovery(ctx context.Context, actor string, leave bool) error {
	now := time.Now().UTC()
	return l.update(ctx, func(tx store.Tx) error {
		r, err := fleet.ReadRecovery(tx)
		if err != nil || !r.Open {
			return err
		}
		if r.Undecided > 0 && !leave {
			return undecided(tx, r.Undecided)
		}
		return fleet.EndRecovery(tx, l.events, actor, now)
	})
}

func undecided(tx store.Tx, count int64) error {
	const most = 10
	var names []string
	for f, err := range fleet.Findings.Match(tx, "undecided", true, "", most, false) {
		switch {
		case err != nil:
			return err
		case f.Server != "":
			names = append(names, "server "+orID(f))
		default:
			names = append(names, "node "+f.NodeName)
		}
	}
	more := ""
	if count > most {
		more = fmt.Sprintf(" and %d more", count-most)
	}
	return fault.New(fault.Conflict, fmt.Sprintf("%d contradictions are undecided: %s%s", count, strings.Join(names, ", "), more),
		"decide (`controller recovery show`), or end it all the same with --yes: then nothing is done about those servers until you decide")
}
