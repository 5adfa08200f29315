package provision

import (
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
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

	Phase   Phase  `json:"phase"`
	Image   string `json:"image"`
	Spare   bool   `json:"spare,omitempty"`    // ordered to be ready before it is needed
	CloudID string `json:"cloud_id,omitempty"` // the provider's
	IPv4    string `json:"ipv4,omitempty"`
	Private string `json:"private,omitempty"`
	Node    string `json:"node,omitempty"` // id, once its agent has joined

	For     string          `json:"for,omitempty"`     // why it was ordered, in plain words
	By      string          `json:"by"`                // actor
	Retry   string          `json:"retry,omitempty"`   // id of the machine that never joined and that this one replaces
	Problem *protocol.Fault `json:"problem,omitempty"` // what stands in the way now, or why it was given up

	OrderedAt time.Time `json:"ordered_at"`
	Created   time.Time `json:"created,omitzero"` // the provider's clock: hours that are paid for start here
	JoinBy    time.Time `json:"join_by,omitzero"` // deadline of its agent
	JoinedAt  time.Time `json:"joined_at,omitzero"`
	ServingAt time.Time `json:"serving_at,omitzero"`
	EmptyAt   time.Time `json:"empty_at,omitzero"` // since when no server is on it; zero: one is
	DrainBy   time.Time `json:"drain_by,omitzero"` // deadline that the operator gave
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
func Tables() []store.TableDef { return []store.TableDef{Machines.Def()} }

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
