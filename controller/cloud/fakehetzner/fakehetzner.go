// Package fakehetzner is a Hetzner Cloud that runs in this process: the HTTP API that the real client talks to, with state, actions that
// take their time, stock that runs out, a bill by started hours, and faults on demand. Tests order machines from it by the thousand, and
// people try the product with it before they have an account ("controller cloud fake").
//
// Three parts: request.go takes a request through authorisation, rate limit, faults and the work, all under one lock, so that a seed and an
// order of requests always give the same story; one file per noun does the work; power.go, while Run runs, keeps the machines that are on
// booted by Options.Boot. Time is Options.Clock's alone: actions end when it has moved on, seen at the next request or tick of Run.
//
// What it answers is held to the published OpenAPI description by package check in the tests of whoever uses it.
package fakehetzner

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Options is what a Cloud is made of. Everything has a default; the zero value is a cloud without faults whose actions end at once.
type Options struct {
	Clock         func() time.Time // may be virtual; default time.Now
	Token         string           // read and write; default "fake-token"
	ReadOnlyToken string           // GET only; empty = there is none
	Types         []Type           // default DefaultTypes()
	Limits        Limits
	Rate          Rate
	Timing        Timing
	Faults        []Rule                 // in force from the start; see Inject
	Seed          uint64                 // of what rules with a Chance draw
	Boot          Booter                 // what makes machines real, while Run runs; nil = they are rows only
	Address       func(n int) netip.Addr // public IPv4 of the nth address, counted from 1; default 127.1.x.y
	Logger        *slog.Logger           // default: silent
}

// Limits of the project; 0 = the default, below 0 = none allowed.
type Limits struct {
	Servers         int // default 10, as for a new customer
	Images          int // snapshots; default 30
	Volumes         int // default 20
	Networks        int // default 10
	Firewalls       int // default 50
	PlacementGroups int // default 50
	PrimaryIPs      int // unassigned ones included; default 100
	SSHKeys         int // default 100
}

// Rate is how many requests are taken: a bucket of Burst that fills by PerSecond. Defaults 3,600 and 1.
type Rate struct {
	Burst     int
	PerSecond float64
}

// Timing is how long things take by the Clock. The zero value: until the next request or tick.
type Timing struct {
	Create   time.Duration // create_server, and create_* of other things
	Start    time.Duration // start_server, reset_server, reboot_server
	Stop     time.Duration // stop_server and shutdown_server
	Delete   time.Duration // delete_server
	Snapshot time.Duration // create_image
	Attach   time.Duration // attach_to_network, apply_firewall and all others
}

// Cloud is one project at the fake provider.
type Cloud struct {
	opt  Options
	log  *slog.Logger
	mux  *http.ServeMux
	wake chan struct{} // Run looks at once

	mu        sync.Mutex // guards all below
	lastID    int64
	addresses int // given out so far
	machines  int // made so far
	rand      *rand.Rand
	rules     []*ruleState
	lastRule  int
	tokens    float64 // left in the rate limit's bucket
	filled    time.Time
	counters  Counters
	stock     map[place]int // absent = endless
	types     []*serverType
	actions   map[int64]*action
	running   []*action // not ended yet, by when they end
	past      []MachineInfo
	powered   map[int64]int // machines that Run has on or is ending, with their boot

	servers    *shelf[*server]
	images     *shelf[*image]
	volumes    *shelf[*volume]
	networks   *shelf[*network]
	firewalls  *shelf[*firewall]
	groups     *shelf[*placementGroup]
	primaryIPs *shelf[*primaryIP]
	sshKeys    *shelf[*sshKey]
}

// New makes a cloud. It costs nothing until somebody talks to Handler.
func New(o Options) (*Cloud, error) {
	o = o.withDefaults()
	if o.ReadOnlyToken == o.Token {
		return nil, errors.New("fakehetzner: the two tokens are the same")
	}
	c := &Cloud{
		opt: o, log: o.Logger, wake: make(chan struct{}, 1),
		lastID: 1000, rand: rand.New(rand.NewPCG(o.Seed, 0x9e3779b97f4a7c15)), //nolint:gosec // faults must repeat, not surprise
		tokens: float64(o.Rate.Burst), filled: o.Clock(),
		stock: map[place]int{}, actions: map[int64]*action{}, powered: map[int64]int{},
		servers: newShelf[*server]("server", "servers"), images: newShelf[*image]("image", "images"),
		volumes: newShelf[*volume]("volume", "volumes"), networks: newShelf[*network]("network", "networks"),
		firewalls: newShelf[*firewall]("firewall", "firewalls"), groups: newShelf[*placementGroup]("placement_group", "placement_groups"),
		primaryIPs: newShelf[*primaryIP]("primary_ip", "primary_ips"), sshKeys: newShelf[*sshKey]("ssh_key", "ssh_keys"),
	}
	c.counters.Done = map[string]int{}
	if err := c.stockTypes(); err != nil {
		return nil, err
	}
	c.stockImages()
	for _, r := range o.Faults {
		if err := r.check(); err != nil {
			return nil, err
		}
		c.inject(r)
	}
	c.mux = c.routes()
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Token == "" {
		o.Token = "fake-token"
	}
	if o.Types == nil {
		o.Types = DefaultTypes()
	}
	if o.Address == nil {
		o.Address = loopback
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Rate.Burst == 0 {
		o.Rate.Burst = 3600
	}
	if o.Rate.PerSecond == 0 {
		o.Rate.PerSecond = 1
	}
	l := &o.Limits
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.Servers, 10}, {&l.Images, 30}, {&l.Volumes, 20}, {&l.Networks, 10}, {&l.Firewalls, 50}, {&l.PlacementGroups, 50},
		{&l.PrimaryIPs, 100}, {&l.SSHKeys, 100},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return o
}

// loopback gives addresses that a process of this machine can dial from: 127.1.0.1 and on, each once in 65,024.
func loopback(n int) netip.Addr {
	n = (n - 1) % (256 * 254)
	return netip.AddrFrom4([4]byte{127, 1, byte(n / 254), byte(n%254 + 1)})
}

// Handler serves the API below /v1/ and the fake's own controls below /_fake/ (admin.go).
func (c *Cloud) Handler() http.Handler { return c.mux }

func (c *Cloud) now() time.Time { return c.opt.Clock().UTC() }

func (c *Cloud) newID() int64 {
	c.lastID++
	return c.lastID
}

// kick makes Run look at once.
func (c *Cloud) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// macAddress is made up from an id.
func macAddress(id int64) string {
	return fmt.Sprintf("86:00:00:%02x:%02x:%02x", byte(id>>16), byte(id>>8), byte(id))
}
