package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
			if err := fleet.Save(tx, f); err != nil {
				return err
			}
			led++
		}
		if led == 0 {
			return nil
		}
		_, err := l.events.Append(tx, event.Event{Type: "node.recovery_led", Actor: actor, Data: event.JSON(map[string]any{"from": v.Term, "term": l.db.Term(), "seen": highest})})
		return err
	})
}

// KeepNode makes the store's word count about a node that claims of itself what nothing proves: that it told of more than the store has,
// or that it has followed another controller. Kinds: not_found (no such node, or it claims nothing).
func (l *Lifecycle) KeepNode(ctx context.Context, actor, node string) error {
	now := time.Now().UTC()
	var id string
	err := l.update(ctx, func(tx store.Tx) error {
		n, err := fleet.FindNode(tx, node)
		if err != nil {
			return err
		}
		id = n.ID
		did, err := fleet.KeepNode(tx, n.ID, actor, now)
		if err != nil {
			return err
		}
		if !did {
			return fault.New(fault.NotFound, "node "+n.Name+" claims nothing of itself that waits for a decision", "see `controller recovery show`")
		}
		_, err = l.events.Append(tx, event.Event{Type: "node.kept", Node: n.ID, Actor: actor, Data: event.JSON(map[string]any{"name": n.Name})})
		return err
	})
	if err == nil {
		l.wg.Go(func() { l.recall(context.WithoutCancel(ctx), id, "what it claimed was decided") })
	}
	return err
}

// EndRecovery lets the controller act by itself again. While something is undecided, or a node has not said what it has, it is
// refused, unless leave says that it ends all the same: undecided servers stay frozen, and what a silent node runs may be started a
// second time elsewhere. Ending twice is no error. Kinds: conflict (names what is undecided and who is silent).
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
		if silent, err := silentNodes(tx, r); err != nil || len(silent) > 0 && !leave {
			return errors.Join(err, unheard(silent))
		}
		return fleet.EndRecovery(tx, l.events, actor, now)
	})
}

// silentNodes names the nodes that have not said what they have since the recovery began, in order.
func silentNodes(tx store.Tx, r fleet.Recovery) ([]string, error) {
	nodes := map[string]fleet.Node{}
	for n, err := range fleet.Nodes.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return nil, err
		}
		nodes[n.ID] = n
	}
	silent := r.Heard(nodes)
	slices.Sort(silent)
	return silent, nil
}

// unheard: a server that the store believes nowhere may run on a node that nobody has heard, and would be started a second time.
func unheard(silent []string) error {
	if len(silent) == 0 {
		return nil
	}
	const most = 10
	names, more := silent, ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(silent)-most)
	}
	return fault.New(fault.Conflict, fmt.Sprintf("%d nodes have not said what they have since the recovery began: %s%s", len(silent), strings.Join(names, ", "), more),
		"start their agents and wait; revoke one whose machine is gone for good (`controller node revoke NAME`); or end it all the same with --yes: what runs on them may then be started a second time")
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
