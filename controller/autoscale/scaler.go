package autoscale

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/loop"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
)

// Machines carries out what was decided; *provision.Provision does. Each asks the rules again in its own transaction.
type Machines interface {
	Order(ctx context.Context, actor string, r provision.Request) (provision.Machine, error)
	Release(ctx context.Context, actor, machine, why string) error
	// Drain keeps new servers away from a machine, which is deleted when the last one has left. A machine's node has its name.
	Drain(ctx context.Context, actor, node string, deadline time.Duration) (provision.DrainStatus, error)
}

// Events is the part of the event log that this room writes to.
type Events interface {
	Append(tx store.Tx, e event.Event) (event.Event, error)
}

// Options of a Scaler.
type Options struct {
	DB       store.DB
	Events   Events
	Machines Machines
	Market   cloud.Market  // nil = no cloud is configured: nothing is ever ordered
	Settings Settings      // of the environment; what was changed over the API counts more
	Every    time.Duration // between two looks; 0 = 15 s. A server that waits, a node that joins or settings that change kick it
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
}

func (o *Options) validate() error {
	if o.DB == nil || o.Events == nil || o.Machines == nil {
		return errors.New("autoscale: Options need DB, Events and Machines")
	}
	if o.Every <= 0 {
		o.Every = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	return o.Settings.Validate()
}

// self is the actor of what scaling does by itself.
const self = "scaling"

// Scaler is the loop that reads, decides and acts.
type Scaler struct {
	opts Options
	log  *slog.Logger
	kick *loop.Kicker
	m    metrics

	mu   sync.Mutex
	said string // what the newest written decision says, so that the same is not written each time
	at   time.Time
}

// New makes a Scaler. Run runs it.
func New(o Options) (*Scaler, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Scaler{opts: o, log: o.Logger.With("component", "autoscale"), kick: loop.NewKicker(), m: newMetrics(o.Metrics)}, nil
}

// Kick has the loop look at once. It never blocks.
func (s *Scaler) Kick() { s.kick.Kick() }

// Run decides and acts until ctx ends.
func (s *Scaler) Run(ctx context.Context) error {
	return loop.Run(ctx, loop.Options{Name: "autoscale", Every: s.opts.Every, Kick: s.kick.C(), Logger: s.log, Metrics: s.opts.Metrics}, s.Sweep)
}

// Sweep is one run: read, decide, act, write down. An action that fails is told of in the decision and stops no other.
func (s *Scaler) Sweep(ctx context.Context) error {
	now := time.Now().UTC()
	set, d, err := s.decide(ctx, now)
	if err != nil {
		return err
	}
	results := make([]string, len(d.Actions))
	for i, a := range d.Actions {
		if ctx.Err() != nil {
			return nil
		}
		if a.Do != Keep {
			results[i] = s.carry(ctx, a)
		}
	}
	s.m.saw(d)
	return s.keep(ctx, set, d, results, now)
}

// decide reads everything and decides. The catalogue is asked for before the store is read: no I/O inside a transaction.
func (s *Scaler) decide(ctx context.Context, now time.Time) (Settings, Decision, error) {
	snap, set, err := s.read(ctx, now)
	if err != nil {
		return set, Decision{}, err
	}
	return set, Decide(snap, set, now), nil
}

// carry does one action and says what came of it, in plain words.
func (s *Scaler) carry(ctx context.Context, a Action) string {
	var err error
	switch a.Do {
	case Order:
		var m provision.Machine
		if m, err = s.opts.Machines.Order(ctx, self, provision.Request{Candidates: a.Candidates, Spare: a.Spare, For: a.Why}); err == nil {
			s.m.done(a.Do, "done")
			return "ordered as " + m.Name
		}
	case Release:
		err = s.opts.Machines.Release(ctx, self, a.Machine, a.Why)
	case Drain:
		_, err = s.opts.Machines.Drain(ctx, self, a.Name, 0)
	case Keep:
		return ""
	}
	if err != nil {
		result := "failed"
		switch fault.KindOf(err) {
		case fault.Exhausted, fault.Conflict: // a limit was reached, or a server has come meanwhile: as it should be
			result = "refused"
		default:
		}
		s.m.done(a.Do, result)
		s.log.WarnContext(ctx, "what was decided could not be done", "do", a.Do, "machine", a.Name, "error", err)
		return "not done: " + fault.Message(err)
	}
	s.m.done(a.Do, "done")
	return "done"
}

// read takes the snapshot of a decision.
func (s *Scaler) read(ctx context.Context, now time.Time) (Snapshot, Settings, error) {
	var snap Snapshot
	var set Settings
	if s.opts.Market == nil {
		snap.CatalogueErr, snap.CatalogueNext = noCloud, "set HETZNER_CLOUD_TOKEN and start the controller again (docs/hetzner.md)"
	} else if c, err := s.opts.Market.Catalogue(ctx); err != nil {
		snap.CatalogueErr, snap.CatalogueNext = "the cloud's prices and stock cannot be read: "+err.Error(), "they are asked for again by themselves"
		var e *cloud.Error
		if errors.As(err, &e) && e.Next != "" {
			snap.CatalogueNext = e.Next
		}
	} else {
		snap.Catalogue = c
	}
	err := s.opts.DB.View(ctx, func(tx store.Tx) (err error) {
		if set, err = ReadSettings(tx, s.opts.Settings); err != nil {
			return err
		}
		if snap.Fleet, err = fleet.ReadRoom(tx, now); err != nil {
			return err
		}
		snap.Fleet.Servers, err = waiting(tx)
		if err != nil {
			return err
		}
		r, err := fleet.ReadRecovery(tx)
		if err != nil {
			return err
		}
		if r.Open || r.Undecided > 0 {
			snap.Frozen = "recovery mode: the store may be older than what the nodes know (`controller recovery show`)"
		}
		if snap.Machines, err = provision.ReadMachines(tx, now.Truncate(24*time.Hour).Add(-24*time.Hour)); err != nil {
			return err
		}
		snap.Failures = refused(snap.Machines, now)
		snap.LastUp, snap.LastDown, err = lastSteps(tx)
		return err
	})
	return snap, set, err
}

const noCloud = "no cloud is configured"

// waiting reads the servers that wait for room, and those that name a node without having booked there (a volume may be there).
func waiting(tx store.Tx) (map[string]fleet.Server, error) {
	out := map[string]fleet.Server{}
	for srv, err := range fleet.Servers.Match(tx, "unsettled", true, "", 0, false) {
		if err != nil {
			return nil, err
		}
		out[srv.ID] = srv
	}
	return out, nil
}

// shun is how long an offer that the provider refused is not asked for again; a limit of the project is asked for less often.
const (
	shun      = 10 * time.Minute
	shunLimit = 30 * time.Minute
)

// refused collects what the provider would not give lately, from the rows of the machines that asked for it.
func refused(machines []provision.Machine, now time.Time) []Failure {
	var out []Failure
	for _, m := range machines {
		for _, r := range m.Refused {
			f := Failure{Type: r.Type, Location: r.Location, Kind: r.Kind, Until: r.At.Add(shun)}
			switch r.Kind {
			case cloud.Limit, cloud.Denied:
				f.Type, f.Location, f.Until = "", "", r.At.Add(shunLimit)
			case cloud.Invalid:
				f.Until = r.At.Add(6 * time.Hour) // the type is retired, or the image is gone
			case cloud.NotFound, cloud.Exists, cloud.NoStock, cloud.RateLimited, cloud.Busy, cloud.Unavailable, cloud.Uncertain:
			}
			if f.Until.After(now) {
				out = append(out, f)
			}
		}
	}
	return out
}
