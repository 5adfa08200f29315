// Package autoscale decides which machines to rent and which to let go. Its policies are pure: a snapshot, settings and the time in, a
// Decision with its reasons out; the loop that acts on it only reads, decides and orders. Equal snapshots give equal decisions, and a
// decision that was acted upon is followed by none.
//
// The policies, in the order in which they speak (one file each):
//
//	queue     a server that waits buys room at once; those that wait together are packed First-Fit-Decreasing, onto what is coming first
//	ahead     room is kept for the servers that will start while a machine boots, as many as started lately
//	reactive  at 85 % load one more machine, at 30 % the emptiest is closed (if that is allowed), with pauses between
//	spare     as many machines without servers as the hour of the week wants
//	hour      an empty machine is a spare until minute 55 of the hour that is paid; then it goes, unless somebody above wants it
//
// Above them stand the caps (provision.Caps): machines at once, and euros per day. Nothing here ends a game: a machine with a server or a
// booking on it is never released.
package autoscale

import (
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/provision"
)

// Snapshot is what a decision looks at: everything of one moment.
type Snapshot struct {
	// Fleet holds all nodes and bookings, and at least the servers that wait.
	Fleet fleet.Snapshot
	// Machines are those that cost, and those that have been Gone since yesterday 0:00 UTC: their hours count for the day.
	Machines      []provision.Machine
	Catalogue     cloud.Catalogue
	CatalogueErr  string // why there is no catalogue; nothing is ordered then
	CatalogueNext string // what to do about it
	// LastUp and LastDown are when scaling last ordered and last closed a machine. Orders are also seen from the rows.
	LastUp, LastDown time.Time
	// Failures are what the provider refused lately.
	Failures []Failure
	// Frozen says why nothing may be done at all (recovery mode); empty in normal times.
	Frozen string
}

// Failure is an offer that is not asked for again before Until.
type Failure struct {
	Type     string     `json:"type"`     // "" = any
	Location string     `json:"location"` // "" = any
	Kind     cloud.Kind `json:"kind"`     // NoStock, Limit, Invalid …
	Until    time.Time  `json:"until"`
}

// Do is what can be done.
type Do string

// What can be done.
const (
	Order   Do = "order"   // rent a machine
	Drain   Do = "drain"   // no new servers on it; those that run are played to their end
	Release Do = "release" // it is empty: delete it
	Keep    Do = "keep"    // nothing to do, and why
)

// Policy names who wants it.
type Policy string

// The policies.
const (
	Queue    Policy = "queue"
	Ahead    Policy = "ahead"
	Reactive Policy = "reactive"
	Spare    Policy = "spare"
	Hour     Policy = "hour"
)

// Action is one thing to do now.
type Action struct {
	Do     Do              `json:"do"`
	Policy Policy          `json:"policy"`
	Why    string          `json:"why"` // plain words
	Hourly fleet.MicroEuro `json:"hourly"`

	// Of Order.
	Candidates []Candidate `json:"candidates,omitempty"` // the first that can be had is taken; every one is within the caps
	Servers    []string    `json:"servers,omitempty"`    // ids of the waiting servers it is for
	Spare      bool        `json:"spare,omitempty"`      // nobody waits for it

	// Of the others.
	Machine   string    `json:"machine,omitempty"` // id
	Name      string    `json:"name,omitempty"`
	PaidUntil time.Time `json:"paid_until,omitzero"`
}

// Candidate is one offer that an order may be filled with.
type Candidate = provision.Candidate

// Alternative is what was thought of and not done.
type Alternative struct {
	What   string          `json:"what"`
	Why    string          `json:"why"`
	Hourly fleet.MicroEuro `json:"hourly,omitempty"` // what it would have cost, or saved
}

// Inputs are the figures a decision rests on.
type Inputs struct {
	At          time.Time       `json:"at"`
	Waiting     int             `json:"waiting"`                 // servers without room
	WaitingNeed fleet.Resources `json:"waiting_need"`            //
	Booked      int64           `json:"booked_bytes"`            // on nodes that take servers
	Capacity    int64           `json:"capacity_bytes"`          // of nodes that take servers
	Coming      int64           `json:"coming_bytes"`            // of machines on their way
	Load        float64         `json:"load"`                    // booked and promised, of capacity and coming
	Machines    int             `json:"machines"`                // that cost
	Empty       int             `json:"empty"`                   // of them without servers, ready or on their way
	PoolWanted  int             `json:"pool_wanted"`             // spares that the hour wants
	Ahead       int             `json:"ahead"`                   // servers that may start while a machine boots
	Hourly      fleet.MicroEuro `json:"hourly_micro_eur"`        // of all machines
	Spent       fleet.MicroEuro `json:"spent_today_micro_eur"`   // for hours that have begun
	Today       fleet.MicroEuro `json:"today_at_most_micro_eur"` // if everything runs on until midnight
	MaxPerDay   fleet.MicroEuro `json:"max_per_day_micro_eur"`   //
	MaxNodes    int             `json:"max_cloud_nodes"`         //
	LastUp      time.Time       `json:"last_up,omitzero"`        //
	LastDown    time.Time       `json:"last_down,omitzero"`      //
}

// Decision is what to do now, and why.
type Decision struct {
	Actions    []Action      `json:"actions"` // what ends something first; Keep last, by name
	Considered []Alternative `json:"considered"`
	Reasons    []string      `json:"reasons"` // what holds for the whole decision
	Inputs     Inputs        `json:"inputs"`
	// Unmet tells that a server waits for which nothing can be done now; Considered and Reasons say why.
	Unmet bool `json:"unmet,omitempty"`
	// Next is when time alone may change the decision; zero: never.
	Next time.Time `json:"next,omitzero"`
}

// Acts are the actions that change something.
func (d Decision) Acts() []Action {
	var out []Action
	for _, a := range d.Actions {
		if a.Do != Keep {
			out = append(out, a)
		}
	}
	return out
}

// Allowed tells whether machines at these hourly prices may be ordered on top of what is there; provision asks the same again in the
// transaction that writes their rows. Kinds: exhausted.
func Allowed(machines []provision.Machine, s Settings, now time.Time, add ...fleet.MicroEuro) error {
	return s.Caps().Allowed(machines, now, add...)
}

// need is what a waiting server asks for.
func need(s fleet.Server) placement.Need {
	return placement.Need{Resources: s.Need(), Pin: s.Pin}
}
