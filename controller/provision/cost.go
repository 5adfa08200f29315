package provision

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// goneKeep is how long the rows of machines that are gone stay: a month's bill can be explained from them.
const goneKeep = 40 * 24 * time.Hour

// SpentToday is what the machines' and builders' hours that have started since midnight UTC cost.
func SpentToday(tx store.Tx, now time.Time) (fleet.MicroEuro, error) {
	rows, err := ReadCosts(tx, now.UTC().Truncate(24*time.Hour))
	return Spent(rows, now), err
}

// TrimMachines deletes at most most rows of machines that have been gone for 40 days, and says how many.
func TrimMachines(tx store.Tx, now time.Time, most int) (int, error) {
	var dead []string
	for m, err := range Machines.Range(tx, "deleted", nil, now.Add(-goneKeep), most, false) {
		if err != nil {
			return 0, err
		}
		dead = append(dead, m.ID)
	}
	for _, id := range dead {
		if err := Machines.Delete(tx, id); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}

// Machines gives the machines that cost, and with gone also those whose rows are still there, in the order of their ids.
func (p *Provision) Machines(ctx context.Context, gone bool) (out []Machine, err error) {
	err = p.opts.DB.View(ctx, func(tx store.Tx) error {
		out = nil
		for m, err := range Machines.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if gone || m.Costs() {
				out = append(out, m)
			}
		}
		return nil
	})
	return out, err
}

// Machine gives one by name or id. Kinds: not_found.
func (p *Provision) Machine(ctx context.Context, nameOrID string) (m Machine, err error) {
	err = p.opts.DB.View(ctx, func(tx store.Tx) error {
		m, err = FindMachine(tx, nameOrID)
		return err
	})
	return m, err
}

// Explain says in plain words what the machine does now. Pure.
func (m Machine) Explain(now time.Time) string {
	switch m.Phase {
	case Ordering:
		switch {
		case m.Stopped:
			return "nothing more is ordered; it is made sure that the provider has nothing under its name"
		case m.Doubt:
			return "the answer to the order was lost; the provider is asked whether it has the machine"
		case m.SentAt.IsZero():
			return "the order is about to be sent"
		}
		return "the order is sent"
	case Booting:
		return "it boots; its agent has until " + m.JoinBy.UTC().Format("15:04:05 UTC") + " to join"
	case Proving:
		return "its agent has joined; it is checked before servers come"
	case Serving:
		if !m.EmptyAt.IsZero() {
			return "it takes servers, and has had none for " + now.Sub(m.EmptyAt).Truncate(time.Second).String()
		}
		return "servers are on it"
	case Draining:
		return "no new servers come; it is deleted when the last one has left"
	case Deleting:
		return "it is being deleted: " + m.Why
	case Gone:
		return "it is gone: " + m.Why
	}
	return string(m.Phase)
}

// errNoCloud is the answer of what needs a provider.
func errNoCloud(what string) error {
	return fault.New(fault.Precondition, what+": no cloud is configured", "set HETZNER_CLOUD_TOKEN (or HETZNER_CLOUD_TOKEN_FILE) and start the controller again")
}
