// Package simulate replays a trace of servers that start and stop on virtual time, with the very placement and scaling code that the
// controller runs, and says what the machines would have cost and how long people would have waited.
//
// What is modelled: machines are billed per started hour from the moment they are ordered; they take Options.ColdBoot, or SpareBoot from a
// spare image, until servers come; a server is placed by placement.Choose, waits while no node has room, and is ready Options.Start
// after it was placed. What is not: a server that stops leaves its machine at once (its world goes to the repository and comes back
// within Start), nothing fails, stock never ends, the provider's monthly bound and money other than machines' hours are ignored.
package simulate

import (
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
)

// Options of a replay.
type Options struct {
	Trace     []Event // in the order of time; see ReadTrace and Generate
	Prices    Prices
	Settings  autoscale.Settings
	ColdBoot  time.Duration // of a machine from the provider's image; 0 = 90 s
	SpareBoot time.Duration // of a machine from a spare image; 0 = 25 s
	Start     time.Duration // of a server; 0 = 10 s
}

func (o *Options) validate() error {
	if o.ColdBoot == 0 {
		o.ColdBoot = 90 * time.Second
	}
	if o.SpareBoot == 0 {
		o.SpareBoot = 25 * time.Second
	}
	if o.Start == 0 {
		o.Start = 10 * time.Second
	}
	switch {
	case len(o.Trace) == 0:
		return fault.New(fault.Invalid, "the trace has no events", "give a trace with at least one start, or leave it out for the one that ships")
	case o.ColdBoot < 0 || o.SpareBoot < 0 || o.Start < 0:
		return fault.New(fault.Invalid, "a duration is negative", "give 0 for the default")
	case len(o.Prices.Types) == 0:
		return errors.New("simulate: Options need Prices")
	}
	return o.Settings.Validate()
}

// Prices are what machines cost.
type Prices struct {
	Name string // where they come from, for the report
	cloud.Catalogue
}

// Report is what a replay found. Euros are net, without what never changes with the load (addresses of the control plane, storage).
type Report struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Servers int       `json:"servers"`
	Starts  int       `json:"starts"`
	Prices  string    `json:"prices"`

	CostEUR       float64 `json:"cost_eur"`
	LowerBoundEUR float64 `json:"lower_bound_eur"` // per clock hour the cheapest machines that hold the hour's highest Σ memory
	FluidEUR      float64 `json:"fluid_bound_eur"` // ∫ memory dt at the best price per GiB: nobody can pay less
	AlwaysOnEUR   float64 `json:"always_on_eur"`   // the cheapest machines that hold all servers, all the time
	OverBound     float64 `json:"cost_over_lower_bound"`
	OverFluid     float64 `json:"cost_over_fluid_bound"`
	OverAlwaysOn  float64 `json:"cost_over_always_on"`

	WakeP50      float64 `json:"wake_wait_p50_s"`
	WakeP95      float64 `json:"wake_wait_p95_s"`
	WakeMax      float64 `json:"wake_wait_max_s"`
	Waited       int     `json:"starts_that_waited"` // for a machine
	NeverStarted int     `json:"never_started"`      // stopped before there was room

	Machines     int            `json:"machines"` // rented in all
	MachineHours int            `json:"machine_hours"`
	PeakMachines int            `json:"peak_machines"`
	ByType       map[string]int `json:"machines_by_type"`
	Orders       map[string]int `json:"orders_by_policy"`
	Decisions    int            `json:"decisions"`
	Utilization  float64        `json:"utilization"` // ∫ memory of servers over ∫ memory that was paid for
	Missing      Missing        `json:"missing_eur"`

	Hours []HourPoint `json:"hours"`

	points []point
}

// Missing says where the difference between the cost and the fluid bound went.
type Missing struct {
	Boot  float64 `json:"boot"`  // machines that were paid for and not ready yet
	Empty float64 `json:"empty"` // machines without servers: spares, and the rest of paid hours
	Holes float64 `json:"holes"` // room beside servers on machines that have some
	After float64 `json:"after"` // hours that were paid for and not used up
	Price float64 `json:"price"` // machines dearer per GiB than the best
}

// HourPoint is one hour of the replay.
type HourPoint struct {
	Hour      time.Time `json:"hour"`
	Machines  int       `json:"machines"`   // the most at once
	DemandGiB float64   `json:"demand_gib"` // the highest Σ memory
	RoomGiB   float64   `json:"room_gib"`   // the most at once
}

// point is the state from At on.
type point struct {
	at                   time.Time
	machines             int
	demand, placed, room int64 // bytes: of all who are started, of those that are on a machine, of all machines
	ready, empty         int64 // of machines that are ready, of those of them without servers
}
