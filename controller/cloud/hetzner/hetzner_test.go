package hetzner_test

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/cloud/cloudtest"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner/check"
	"github.com/payperplay/payperplay/controller/cloud/hetzner"
)

const (
	goodToken  = "secret-that-reads-and-writes"
	readToken  = "secret-that-only-reads"
	wrongToken = "secret-of-somebody-else"
	cluster    = "0123456789abcdef0123456789abcdef"
	machines   = 60 // more than a page of 50
)

// TestDriver is the suite on the fake, whose requests and replies are held to the published description.
func TestDriver(t *testing.T) { cloudtest.Run(t, newRig) }

func newRig(t *testing.T) cloudtest.Rig {
	t.Helper()
	w := newWorld(t, fakehetzner.Options{Timing: fakehetzner.Timing{Stop: 40 * time.Millisecond, Start: 40 * time.Millisecond, Snapshot: 20 * time.Millisecond}})
	open := func(t *testing.T, who cloudtest.Who) cloud.Provider {
		token := map[cloudtest.Token]hetzner.Token{cloudtest.Good: goodToken, cloudtest.ReadOnly: readToken, cloudtest.Wrong: wrongToken}[who.Token]
		return w.open(t, hetzner.Options{Token: token, Cluster: who.Cluster})
	}
	return cloudtest.Rig{
		Provider: open(t, cloudtest.Who{Cluster: cluster}), Cluster: cluster, Open: open,
		Order:     cloud.Order{Type: "cx23", Location: fakehetzner.Falkenstein, Image: "debian-12", UserData: []byte("#cloud-config\n")},
		Elsewhere: fakehetzner.Nuremberg, SystemImage: w.systemImage(t), MaxMachines: machines, World: w,
		Secrets: []string{goodToken, readToken, wrongToken}, Log: w.log.String,
	}
}

// world is the fake, and somebody who works on it by hand.
type world struct {
	fake *fakehetzner.Cloud
	url  string
	hand *hcloud.Client
	log  *safeBuffer
}

func newWorld(t *testing.T, o fakehetzner.Options) *world {
	t.Helper()
	o.Token, o.ReadOnlyToken, o.Limits.Servers = goodToken, readToken, machines
	fake, err := fakehetzner.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(check.Wrap(t, fake.Handler()))
	t.Cleanup(srv.Close)
	return &world{fake: fake, url: srv.URL + "/v1", log: &safeBuffer{}, hand: hcloud.NewClient(hcloud.WithEndpoint(srv.URL+"/v1"), hcloud.WithToken(goodToken))}
}

// open makes a driver with short waits.
func (w *world) open(t *testing.T, o hetzner.Options) *hetzner.Driver {
	t.Helper()
	if o.Token == "" {
		o.Token = goodToken
	}
	if o.Cluster == "" {
		o.Cluster = cluster
	}
	o.Endpoint, o.Poll = w.url, 5*time.Millisecond
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	d, err := hetzner.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (w *world) systemImage(t *testing.T) string {
	t.Helper()
	i, _, err := w.hand.Image.GetByNameAndArchitecture(t.Context(), "debian-12", hcloud.ArchitectureX86)
	if err != nil || i == nil {
		t.Fatalf("the fake has no debian-12: %v", err)
	}
	return strconv.FormatInt(i.ID, 10)
}

func (w *world) inject(t *testing.T, r fakehetzner.Rule) {
	t.Helper()
	if _, err := w.fake.Inject(r); err != nil {
		t.Fatal(err)
	}
}

func (w *world) Inject(t *testing.T, f cloudtest.Fault, on cloudtest.On) {
	t.Helper()
	w.inject(t, fakehetzner.Rule{
		Times: 1,
		Fault: map[cloudtest.Fault]fakehetzner.Fault{
			cloudtest.LoseReply: fakehetzner.LoseReply, cloudtest.LoseRequest: fakehetzner.LoseRequest, cloudtest.FailBefore: fakehetzner.ErrorBefore,
			cloudtest.FailAfter: fakehetzner.ErrorAfter, cloudtest.Hang: fakehetzner.Hang, cloudtest.TooMany: fakehetzner.TooMany,
			cloudtest.Locked: fakehetzner.Locked, cloudtest.Conflict: fakehetzner.Conflict, cloudtest.ActionFails: fakehetzner.ActionFail,
		}[f],
		On: map[cloudtest.On]string{
			cloudtest.OnCreate: "POST /servers", cloudtest.OnDelete: "DELETE /servers/*", cloudtest.OnPower: "POST /servers/*/actions/*",
			cloudtest.OnImage: "POST /servers/*/actions/create_image", cloudtest.OnRead: "GET /servers/*", cloudtest.OnList: "GET /servers",
			cloudtest.OnGround: "POST /*",
		}[on],
	})
}

func (w *world) Heal() { w.fake.Lift() }

func (w *world) Stock(t *testing.T, kind, location string, n int) {
	t.Helper()
	if err := w.fake.SetStock(kind, location, n); err != nil {
		t.Fatal(err)
	}
}

func (w *world) Lag(t *testing.T, d time.Duration) {
	t.Helper()
	w.inject(t, fakehetzner.Rule{Fault: fakehetzner.Lag, Delay: d})
}

func (w *world) Vanish(t *testing.T, id string) {
	t.Helper()
	if !w.fake.Vanish(id) {
		t.Fatalf("there is no machine %s", id)
	}
}

func (w *world) Requests() int { return w.fake.Inventory().Counters.Requests }

func (w *world) Things() []cloud.Thing {
	var out []cloud.Thing
	inv := w.fake.Inventory()
	for _, m := range inv.Machines {
		out = append(out, cloud.Thing{Kind: cloud.ThingMachine, ID: m.ID, Name: m.Name, Labels: m.Labels, Created: m.Created})
	}
	for _, th := range inv.Things {
		out = append(out, cloud.Thing{Kind: cloud.ThingKind(th.Kind), ID: th.ID, Name: th.Name, Labels: th.Labels, Created: th.Created, InUse: th.InUse})
	}
	return out
}

func (w *world) Plant(t *testing.T, th cloud.Thing) string {
	t.Helper()
	id, err := w.plant(t, th)
	if err != nil || id == 0 {
		t.Fatalf("cannot plant %+v: %v", th, err)
	}
	return strconv.FormatInt(id, 10)
}

func (w *world) plant(t *testing.T, th cloud.Thing) (int64, error) {
	t.Helper()
	ctx, c := t.Context(), w.hand
	switch th.Kind {
	case cloud.ThingMachine:
		got, _, err := c.Server.Create(ctx, hcloud.ServerCreateOpts{
			Name: th.Name, Labels: th.Labels, ServerType: &hcloud.ServerType{Name: "cx23"}, Image: &hcloud.Image{Name: "debian-12"}, Location: &hcloud.Location{Name: "fsn1"},
		})
		if err != nil {
			return 0, err
		}
		return got.Server.ID, nil
	case cloud.ThingVolume:
		got, _, err := c.Volume.Create(ctx, hcloud.VolumeCreateOpts{Name: th.Name, Labels: th.Labels, Size: 10, Location: &hcloud.Location{Name: "fsn1"}})
		if err != nil {
			return 0, err
		}
		return got.Volume.ID, nil
	case cloud.ThingNetwork:
		got, _, err := c.Network.Create(ctx, hcloud.NetworkCreateOpts{Name: th.Name, Labels: th.Labels, IPRange: mustNet("10.99.0.0/16")})
		if err != nil {
			return 0, err
		}
		return got.ID, nil
	case cloud.ThingFirewall:
		got, _, err := c.Firewall.Create(ctx, hcloud.FirewallCreateOpts{Name: th.Name, Labels: th.Labels})
		if err != nil {
			return 0, err
		}
		return got.Firewall.ID, nil
	case cloud.ThingSpread:
		got, _, err := c.PlacementGroup.Create(ctx, hcloud.PlacementGroupCreateOpts{Name: th.Name, Labels: th.Labels, Type: hcloud.PlacementGroupTypeSpread})
		if err != nil {
			return 0, err
		}
		return got.PlacementGroup.ID, nil
	case cloud.ThingAddress:
		got, _, err := c.PrimaryIP.Create(ctx, hcloud.PrimaryIPCreateOpts{Name: th.Name, Labels: th.Labels, Type: hcloud.PrimaryIPTypeIPv4, Location: "fsn1", AssigneeType: "server"})
		if err != nil {
			return 0, err
		}
		return got.PrimaryIP.ID, nil
	case cloud.ThingImage:
	}
	return 0, nil
}

func (w *world) Use(t *testing.T, th cloud.Thing, machine string) {
	t.Helper()
	volume, _ := strconv.ParseInt(th.ID, 10, 64)
	server, _ := strconv.ParseInt(machine, 10, 64)
	action, _, err := w.hand.Volume.Attach(t.Context(), &hcloud.Volume{ID: volume}, &hcloud.Server{ID: server})
	if err == nil {
		err = w.hand.Action.WaitFor(t.Context(), action)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// safeBuffer is a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
