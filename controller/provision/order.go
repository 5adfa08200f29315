package provision

import (
	"context"
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Request says what machine is wanted.
type Request struct {
	Role cloud.Role // "" = worker
	// Candidates are asked for in their order, until the provider has one.
	Candidates []Candidate
	Spare      bool   // ready before it is needed
	For        string // why, in plain words
	// Anyway orders although the last machines have not joined: an operator has put that right.
	Anyway bool
}

const (
	maxCandidates = 32
	// brakeAfter machines that did not join within brakeTime, and none that did since, stop all further orders: whatever is wrong with
	// the image, the network or the address that agents dial costs an hour's price each time.
	brakeAfter = 2
	brakeTime  = time.Hour
)

func (r *Request) validate() error {
	if r.Role == "" {
		r.Role = cloud.RoleWorker
	}
	if r.Role != cloud.RoleWorker && r.Role != cloud.RoleEdge {
		return fault.New(fault.Invalid, fmt.Sprintf("a machine of role %q cannot be ordered", r.Role), "use worker or edge")
	}
	if len(r.Candidates) == 0 || len(r.Candidates) > maxCandidates {
		return fault.New(fault.Invalid, fmt.Sprintf("an order has %d candidates", len(r.Candidates)), fmt.Sprintf("give 1 to %d", maxCandidates))
	}
	for _, c := range r.Candidates {
		if c.Type == "" || c.Location == "" || c.Image == "" {
			return fault.New(fault.Invalid, "a candidate of an order lacks its type, location or image", "name all three")
		}
		if c.Hourly <= 0 {
			return fault.New(fault.Invalid, fmt.Sprintf("the price of %s at %s is not known", c.Type, c.Location), "wait for the provider's prices, or choose another type")
		}
	}
	return nil
}

// Order writes down that a machine is wanted, if the caps allow it, and returns; the loop sends the order.
// Kinds: invalid, exhausted (a cap; says which), precondition (no cloud, or the last machines never joined), conflict (recovery mode).
func (p *Provision) Order(ctx context.Context, actor string, req Request) (Machine, error) {
	if p.opts.Cloud == nil {
		return Machine{}, errNoCloud("no machine can be ordered")
	}
	if err := req.validate(); err != nil {
		return Machine{}, err
	}
	now := time.Now().UTC()
	m := Machine{Role: req.Role, Spare: req.Spare, For: req.For, By: actor, Others: req.Candidates[1:]}
	m.take(req.Candidates[0])
	p.born(&m, now)
	if plant.On(plant.CapOutsideTx) {
		if err := p.opts.DB.View(ctx, func(tx store.Tx) error { return p.allowed(tx, "", m.Hourly, now) }); err != nil {
			return Machine{}, err
		}
	}
	err := p.opts.DB.Update(ctx, func(tx store.Tx) error {
		mode, _, err := inRecovery(tx)
		if err != nil {
			return err
		}
		if mode {
			return errFrozen("no machine can be ordered")
		}
		if !req.Anyway {
			if err := brake(tx, now); err != nil {
				return err
			}
		}
		return p.insert(tx, m, actor, now)
	})
	if err != nil {
		return Machine{}, err
	}
	p.Kick()
	return m, nil
}

// born gives a new row what every one has. The id is made here: a transaction may run twice.
func (p *Provision) born(m *Machine, now time.Time) {
	m.ID = fleet.NewID(MachinePrefix)
	m.Name = machineName(p.opts.Cluster, m.ID)
	m.OrderedAt, m.UpdatedAt = now, now
	m.enter(Ordering, now)
}

// insert writes a new row if the caps allow it.
func (p *Provision) insert(tx store.Tx, m Machine, actor string, now time.Time) error {
	if !plant.On(plant.CapOutsideTx) {
		if err := p.allowed(tx, "", m.Hourly, now); err != nil {
			return err
		}
	}
	if err := Machines.Put(tx, m); err != nil {
		return err
	}
	return p.say(tx, m, "scaling.machine_ordered", actor, map[string]any{"for": m.For, "spare": m.Spare, "retry": m.Retry})
}

// allowed asks the caps about one more machine at that price; not is a row that does not count because it is the one that is changed.
func (p *Provision) allowed(tx store.Tx, not string, hourly fleet.MicroEuro, now time.Time) error {
	caps, err := p.opts.Caps(tx)
	if err != nil {
		return err
	}
	all, err := ReadCosts(tx, now.Add(-48*time.Hour))
	if err != nil {
		return err
	}
	others := all[:0]
	for _, m := range all {
		if m.ID != not {
			others = append(others, m)
		}
	}
	return caps.Allowed(others, now, hourly)
}

// brake refuses when the machines that were ordered last have not joined.
func brake(tx store.Tx, now time.Time) error {
	all, err := ReadMachines(tx, now.Add(-brakeTime))
	if err != nil {
		return err
	}
	var joined, last time.Time
	for _, m := range all {
		if m.JoinedAt.After(joined) {
			joined = m.JoinedAt
		}
	}
	missed := 0
	for _, m := range all {
		if m.NeverJoined && m.JoinBy.After(joined) && now.Sub(m.JoinBy) < brakeTime {
			if missed++; m.JoinBy.After(last) {
				last = m.JoinBy
			}
		}
	}
	if missed < brakeAfter {
		return nil
	}
	return fault.New(fault.Precondition, fmt.Sprintf("the last %d machines were paid for and never joined: none is ordered until %s", missed, last.Add(brakeTime).UTC().Format("15:04 UTC")),
		"see the events of type scaling.machine_never_joined; agents must reach the controller at the address it advertises (--advertise)")
}

// inRecovery tells whether the recovery mode is open, and whether that or anything undecided forbids what cannot be undone.
func inRecovery(tx store.Tx) (mode, frozen bool, err error) {
	r, err := fleet.ReadRecovery(tx)
	return r.Open, r.Open || r.Undecided > 0, err
}

// errFrozen: a store that comes from a backup does not know which machines carry whose worlds.
func errFrozen(what string) error {
	return fault.New(fault.Conflict, what+" in recovery mode: the store may be older than what the nodes know", "see `controller recovery show`, decide, then `controller recovery end`")
}
