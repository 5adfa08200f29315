// Package cloudtest is the suite that every driver of the cloud port passes: what Create, Delete and the others owe their callers when all
// goes well, when answers are lost, when there is no stock, when lists lag, and when things are there that are not ours.
//
// A driver's test gives Run a function that makes a Rig: a new, empty project at a provider (a fake one, or a real one that may cost money)
// with knobs. One file per verb.
package cloudtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
)

// Rig is a driver and the world that it works on.
type Rig struct {
	Provider    cloud.Provider // of Cluster, with a good token
	Cluster     string
	Open        func(t *testing.T, w Who) cloud.Provider // another driver on the same project
	Order       cloud.Order                              // one that works; the suite gives it a name and labels
	Elsewhere   string                                   // another location that has Order.Type
	SystemImage string                                   // id of an image of the provider's own
	MaxMachines int                                      // that the project may have; more than a page of a list
	World       World
	Secrets     []string      // that no error may tell
	Log         func() string // what the driver has logged; it may not tell them either; nil = nothing
}

// Who is somebody with a driver.
type Who struct {
	Cluster string
	Token   Token
}

// Token is a kind of it.
type Token int

// The tokens.
const (
	Good Token = iota
	ReadOnly
	Wrong
)

// Fault is a way for requests to go wrong.
type Fault string

// The faults.
const (
	LoseReply   Fault = "lose-reply"   // the work is done, and the answer is lost
	LoseRequest Fault = "lose-request" // nothing is done, and there is no answer
	FailBefore  Fault = "fail-before"  // the provider fails, and nothing is done
	FailAfter   Fault = "fail-after"   // the provider says that it has failed, but the work is done
	Hang        Fault = "hang"         // no answer for ever, and nothing is done
	TooMany     Fault = "too-many"     // the rate limit
	Locked      Fault = "locked"       // something else is being done to the thing
	Conflict    Fault = "conflict"     // the same
	ActionFails Fault = "action-fails" // the work is begun, and fails
)

// On says which requests.
type On string

// The requests.
const (
	OnCreate On = "create" // of machines
	OnDelete On = "delete" // of machines
	OnPower  On = "power"
	OnImage  On = "image" // making one
	OnRead   On = "read"  // of one machine
	OnList   On = "list"  // of machines
	OnGround On = "ground"
)

// World is the provider seen from behind.
type World interface {
	Inject(t *testing.T, f Fault, on On)                 // for the next such request
	Heal()                                               // ends faults and lag
	Stock(t *testing.T, kind, location string, n int)    // how many can still be ordered; below 0 = endless
	Lag(t *testing.T, d time.Duration)                   // lists, but for those by name, show what was d ago
	Vanish(t *testing.T, id string)                      // a machine is gone without a word
	Things() []cloud.Thing                               // everything there is, whosesoever, without the provider's own images
	Plant(t *testing.T, thing cloud.Thing) (id string)   // makes one by hand, with its labels and no others; images excepted
	Use(t *testing.T, thing cloud.Thing, machine string) // lets a machine use a volume
	Requests() int                                       // so far
}

// Run runs the suite. rig is called for each part of it.
func Run(t *testing.T, rig func(t *testing.T) Rig) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, Rig)
	}{
		{"Catalogue", testCatalogue},
		{"Create", testCreate},
		{"CreateInvalid", testCreateInvalid},
		{"CreateUserData", testCreateUserData},
		{"CreateSameName", testCreateSameName},
		{"CreateSameNameAtOnce", testCreateSameNameAtOnce},
		{"CreateReplyLost", testCreateReplyLost},
		{"CreateRequestLost", testCreateRequestLost},
		{"CreateNoStock", testCreateNoStock},
		{"CreateLimitAndPages", testCreateLimitAndPages},
		{"CreateBusyAndRateLimited", testCreateBusy},
		{"ListLags", testListLags},
		{"Delete", testDelete},
		{"DeleteFaults", testDeleteFaults},
		{"Vanished", testVanished},
		{"Foreign", testForeign},
		{"Power", testPower},
		{"Images", testImages},
		{"Ground", testGround},
		{"GroundAtOnce", testGroundAtOnce},
		{"GroundFaults", testGroundFaults},
		{"GroundHasRoom", testGroundHasRoom},
		{"Leftovers", testLeftovers},
		{"Tokens", testTokens},
		{"Contexts", testContexts},
	} {
		t.Run(part.name, func(t *testing.T) {
			r := rig(t)
			part.run(t, r)
			if r.Log != nil {
				r.silent(t, r.Log())
			}
		})
	}
}

// order is a good one.
func (r Rig) order(name string) cloud.Order {
	o := r.Order
	o.Name = name
	o.Labels = maps.Clone(o.Labels)
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	o.Labels[cloud.LabelRole], o.Labels[cloud.LabelMachine] = string(cloud.RoleWorker), "mach-"+name
	return o
}

func (r Rig) create(t *testing.T, p cloud.Provider, o cloud.Order) cloud.Machine {
	t.Helper()
	m, err := p.Create(t.Context(), o)
	if err != nil {
		t.Fatalf("Create(%s): %v", o.Name, err)
	}
	return m
}

// on creates a machine and waits until it is on.
func (r Rig) on(t *testing.T, p cloud.Provider, o cloud.Order) cloud.Machine {
	t.Helper()
	return r.until(t, r.create(t, p, o).ID, cloud.On)
}

func (r Rig) until(t *testing.T, id string, s cloud.State) cloud.Machine {
	t.Helper()
	var m cloud.Machine
	eventually(t, "machine "+id+" is "+string(s), func(ctx context.Context) (bool, error) {
		var err error
		m, err = r.Provider.Get(ctx, id)
		return m.State == s, err
	})
	return m
}

// gone waits until a machine has been deleted.
func (r Rig) gone(t *testing.T, id string) {
	t.Helper()
	eventually(t, "machine "+id+" is gone", func(ctx context.Context) (bool, error) {
		_, err := r.Provider.Get(ctx, id)
		if cloud.KindOf(err) == cloud.NotFound {
			return true, nil
		}
		return false, err
	})
}

// eventually polls with a deadline.
func eventually(t *testing.T, what string, is func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		ok, err := is(ctx)
		switch {
		case err != nil:
			t.Fatalf("%s: %v", what, err)
		case ok:
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not in time", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// fails checks an error: its kind, that it is the port's, that it says something, and that it tells no secret.
func (r Rig) fails(t *testing.T, what string, err error, kinds ...cloud.Kind) {
	t.Helper()
	var e *cloud.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: got error %v, want a *cloud.Error of kind %v", what, err, kinds)
	}
	known := false
	for _, k := range kinds {
		known = known || e.Kind == k
	}
	if !known {
		t.Errorf("%s: got kind %s (%v), want %v", what, e.Kind, err, kinds)
	}
	if e.Message == "" {
		t.Errorf("%s: the error has no message", what)
	}
	switch e.Kind {
	case cloud.Denied, cloud.Limit:
		if e.Next == "" {
			t.Errorf("%s: an error of kind %s must say what an operator does next", what, e.Kind)
		}
	case cloud.RateLimited:
		if e.After <= 0 {
			t.Errorf("%s: it does not say when to come again", what)
		}
	case cloud.NotFound, cloud.Exists, cloud.NoStock, cloud.Invalid, cloud.Busy, cloud.Unavailable, cloud.Uncertain:
	}
	r.silent(t, fmt.Sprintf("%v %+v %#v %s", err, err, e, e.Next))
}

func (r Rig) silent(t *testing.T, text string) {
	t.Helper()
	for _, s := range r.Secrets {
		if strings.Contains(text, s) {
			t.Errorf("a secret is told: %s", strings.ReplaceAll(text, s, "[HERE]"))
		}
	}
}

// count tells how many things of a kind there are in the world.
func (r Rig) count(kind cloud.ThingKind) int {
	n := 0
	for _, t := range r.World.Things() {
		if t.Kind == kind {
			n++
		}
	}
	return n
}

func (r Rig) machines(t *testing.T, want int, why string) {
	t.Helper()
	if got := r.count(cloud.ThingMachine); got != want {
		t.Errorf("there are %d machines, want %d: %s", got, want, why)
	}
}
