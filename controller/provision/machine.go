package provision

import (
	"fmt"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Phase is where a machine is in its life.
type Phase string

// The phases, in their order. A machine costs money from Booting on, until Gone.
const (
	Ordering Phase = "ordering" // the row is written; the provider may or may not have heard of it
	Booting  Phase = "booting"  // the provider has it; its agent has not joined yet
	Proving  Phase = "proving"  // its agent has joined; servers come when the probe has shown that the metadata address is closed
	Serving  Phase = "serving"  // servers may be placed on it
	Draining Phase = "draining" // no new servers; it is deleted when the last one has left
	Deleting Phase = "deleting" // decided for good; the provider may or may not have heard of it
	Gone     Phase = "gone"     // the provider has confirmed that it is not there; kept for a while, for people and for the sum of the day
)

// MachinePrefix begins the id of every machine. Names have no underscore.
const MachinePrefix = "mach_"

// Candidate is one offer that an order may be filled with.
type Candidate struct {
	Type     string          `json:"type"`
	Location string          `json:"location"`
	Arch     string          `json:"arch"`
	Image    string          `json:"image"`
	Size     fleet.Resources `json:"size"` // of the machine, before the system reserve
	Hourly   fleet.MicroEuro `json:"hourly"`
	Monthly  fleet.MicroEuro `json:"monthly"`
}

// Refusal is an offer that the provider would not fill.
type Refusal struct {
	Type     string     `json:"type"`
	Location string     `json:"location"`
	Kind     cloud.Kind `json:"kind"`
	Message  string     `json:"message"`
	At       time.Time  `json:"at"`
}

// Machine is one machine that we rent, from the decision to order it until the provider has confirmed its end.
type Machine struct {
	ID   string          `json:"id"` // "mach_…"
	Name string          `json:"name"`
	Role cloud.Role      `json:"role"`
	Type string          `json:"type"`
	At   string          `json:"location"`
	Arch string          `json:"arch"`
	Size fleet.Resources `json:"size"` // of the machine, before the system reserve

	Hourly  fleet.MicroEuro `json:"hourly"`  // as it was when it was ordered
	Monthly fleet.MicroEuro `json:"monthly"` // 0 = no bound

	Phase   Phase     `json:"phase"`
	PhaseAt time.Time `json:"phase_at"`
	Image   string    `json:"image"`
	Spare   bool      `json:"spare,omitempty"`    // ordered to be ready before it is needed
	CloudID string    `json:"cloud_id,omitempty"` // the provider's
	IPv4    string    `json:"ipv4,omitempty"`
	Private string    `json:"private,omitempty"`
	Node    string    `json:"node,omitempty"` // id, once its agent has joined

	For     string          `json:"for,omitempty"`     // why it was ordered, in plain words
	By      string          `json:"by"`                // actor
	Retry   string          `json:"retry,omitempty"`   // id of the machine that never joined and that this one replaces
	Problem *protocol.Fault `json:"problem,omitempty"` // what stands in the way now, or why it was given up

	Others      []Candidate `json:"others,omitempty"`       // asked for in turn when the provider has none of Type at At
	Refused     []Refusal   `json:"refused,omitempty"`      // those that it would not give
	Stopped     bool        `json:"stopped,omitempty"`      // nothing is sent any more: the row ends when it is sure that the provider has nothing
	Doubt       bool        `json:"doubt,omitempty"`        // the answer to an order was lost at least once
	NeverJoined bool        `json:"never_joined,omitempty"` // its agent missed the deadline
	Why         string      `json:"why,omitempty"`          // why it goes or went

	OrderedAt time.Time `json:"ordered_at"`
	SentAt    time.Time `json:"sent_at,omitzero"` // an order went out then, and may have arrived; written before it is sent
	Created   time.Time `json:"created,omitzero"` // the provider's clock: hours that are paid for start here
	JoinBy    time.Time `json:"join_by,omitzero"` // deadline of its agent
	JoinedAt  time.Time `json:"joined_at,omitzero"`
	ServingAt time.Time `json:"serving_at,omitzero"`
	EmptyAt   time.Time `json:"empty_at,omitzero"` // since when no server is on it; zero: one is
	DrainBy   time.Time `json:"drain_by,omitzero"` // deadline that the operator gave
	EndSent   time.Time `json:"end_sent,omitzero"` // the provider was first told to delete it then: nothing takes that back
	DeletedAt time.Time `json:"deleted_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Machines is the table of them.
var Machines = store.Table[Machine]{
	Name: "machines",
	Key:  func(m Machine) string { return m.ID },
	Indexes: []store.Index[Machine]{
		store.String("name", func(m Machine) string { return m.Name }).Uniq(),
		store.String("node", func(m Machine) string { return m.Node }).When(func(m Machine) bool { return m.Node != "" }),
		store.Bool("costs", Machine.Costs).When(Machine.Costs),
		store.Time("deleted", func(m Machine) time.Time { return m.DeletedAt }).When(func(m Machine) bool { return m.Phase == Gone }),
	},
}

// Tables are the tables of this room.
func Tables() []store.TableDef { return []store.TableDef{Machines.Def(), drains.Def(), Images.Def()} }

// Costs tells whether the provider may be charging for the machine now: also when nobody knows whether the order arrived.
func (m Machine) Costs() bool { return m.Phase != Gone }

// PaidUntil is the end of the hour that is paid for at now; zero when it is not known to run. An hour is billed when it starts.
func (m Machine) PaidUntil(now time.Time) time.Time {
	if m.Created.IsZero() || !m.Costs() {
		return time.Time{}
	}
	started := max(now.Sub(m.Created), 0) / time.Hour
	return m.Created.Add((started + 1) * time.Hour)
}

// FindMachine reads a machine by its name or id. Kinds: not_found.
func FindMachine(tx store.Tx, nameOrID string) (Machine, error) {
	var m Machine
	var err error
	if strings.HasPrefix(nameOrID, MachinePrefix) {
		m, err = Machines.Get(tx, nameOrID)
	} else {
		m, err = Machines.Lookup(tx, "name", nameOrID)
	}
	if fault.KindOf(err) == fault.NotFound {
		err = fault.Wrap(err, fault.NotFound, fmt.Sprintf("there is no machine %q", nameOrID), "see `controller machine list`")
	}
	return m, err
}

// ReadMachines gives the machines that cost, and those that have been Gone since a moment: what Caps and Spent want to see.
func ReadMachines(tx store.Tx, since time.Time) ([]Machine, error) {
	var out []Machine
	for m, err := range Machines.Match(tx, "costs", true, "", 0, false) {
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	for m, err := range Machines.Range(tx, "deleted", since, nil, 0, false) {
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// machineName is the name at the provider and of the node. It follows from the row alone, so that an order that is repeated has the same one
// and the provider refuses a second machine.
func machineName(cluster, id string) string {
	return "ppp-" + cluster[:min(len(cluster), 8)] + "-" + strings.TrimPrefix(id, MachinePrefix)
}

// label is a row's id as the value of a label, which has no underscore.
func label(id string) string { return strings.ReplaceAll(id, "_", "-") }

// labels are what the machine carries at the provider.
func (p *Provision) labels(m Machine) map[string]string {
	return map[string]string{
		cloud.LabelManagedBy: cloud.ManagedBy, cloud.LabelCluster: cloud.LabelValue(p.opts.Cluster), cloud.LabelRole: string(m.Role), cloud.LabelMachine: label(m.ID),
	}
}

// take makes the row ask for an offer.
func (m *Machine) take(c Candidate) {
	m.Type, m.At, m.Arch, m.Image, m.Size, m.Hourly, m.Monthly = c.Type, c.Location, c.Arch, c.Image, c.Size, c.Hourly, c.Monthly
}

// offer is what the row asks for.
func (m *Machine) offer() Candidate {
	return Candidate{Type: m.Type, Location: m.At, Arch: m.Arch, Image: m.Image, Size: m.Size, Hourly: m.Hourly, Monthly: m.Monthly}
}

// enter changes the phase.
func (m *Machine) enter(p Phase, now time.Time) { m.Phase, m.PhaseAt = p, now }
