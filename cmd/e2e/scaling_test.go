package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/scripts/bot"
)

// fleetRig is a controller without any node, and a fake cloud whose machines are agents on this computer.
type fleetRig struct {
	*rig
	cloud *fakehetzner.Cloud
}

// newFleetRig starts both. The cloud's clock is ahead by an age: a machine that is ordered now has had so much of its paid hour already.
func newFleetRig(t *testing.T, age time.Duration) *fleetRig {
	t.Helper()
	needE2E(t)
	n := int(nextPorts.Add(1))
	if k, err := strconv.Atoi(os.Getenv("PPP_E2E_RIG")); err == nil {
		n += k
	}
	base := 20000 + n*40
	r := &fleetRig{rig: &rig{t: t, dir: t.TempDir(), http: fmt.Sprintf("127.0.0.1:%d", base)}}
	boot, err := fakehetzner.NewProcessBooter(fakehetzner.ProcessOptions{Root: filepath.Join(r.dir, "machines"), PortFrom: base + 5, Ports: 12})
	if err != nil {
		t.Fatal(err)
	}
	r.cloud, err = fakehetzner.New(fakehetzner.Options{Clock: func() time.Time { return time.Now().Add(-age) }, Boot: boot,
		Timing: fakehetzner.Timing{Create: 100 * time.Millisecond, Start: 100 * time.Millisecond, Delete: 100 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: r.cloud.Handler(), ReadHeaderTimeout: time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = web.Serve(l) }()
	go func() { defer close(ended); _ = r.cloud.Run(ctx) }()
	t.Cleanup(func() { r.down(); cancel(); <-ended; _ = web.Close() })
	r.controller = &proc{t: t, name: "controller", log: filepath.Join(r.dir, "controller.log"), env: []string{"HETZNER_CLOUD_TOKEN=fake-token", "SCALING_MAX_CLOUD_NODES=2"},
		args: []string{"serve", "--data", filepath.Join(r.dir, "controller"), "--http", r.http, "--tunnel", fmt.Sprintf("127.0.0.1:%d", base+1), "--log-level", "debug",
			"--hetzner-endpoint", "http://" + l.Addr().String() + "/v1", "--public-url", "http://" + r.http}}
	r.controller.start()
	r.waitReady()
	token, err := os.ReadFile(filepath.Join(r.dir, "controller", "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	if r.client, err = client.New(client.Options{Endpoint: "http://" + r.http, Token: strings.TrimSpace(string(token))}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *fleetRig) machines(gone bool) []client.Machine {
	r.t.Helper()
	list, err := r.client.Machines(r.t.Context(), gone)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// TestTourCloud: an empty fleet; a server that fits nowhere buys a machine, whose agent downloads itself and joins; a bot plays; the server
// goes, the machine is kept to minute 55 of its paid hour and deleted then; the history tells each step. No key, no ssh, no inbound port.
func TestTourCloud(t *testing.T) {
	t.Parallel()
	r := newFleetRig(t, 53*time.Minute)
	r.must("scaling", "enable")
	r.must("server", "create", "friends", "--template", "flying-squid", "--memory", "512MiB", "--env", "ONLINE_MODE=false", "--start")
	s := r.waitState("friends", time.Minute, "running")
	all := r.machines(false)
	if len(all) != 1 || all[0].Phase != "serving" || all[0].Node != s.Node || all[0].HourlyMicroEUR == 0 || !strings.Contains(all[0].For, "friends") {
		t.Fatalf("machines: %+v", all)
	}
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil || host != all[0].IPv4 {
		t.Fatalf("the server is at %s, its machine at %s", s.Address, all[0].IPv4)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	player, err := bot.Run(t.Context(), bot.Options{Host: host, Port: number, Name: "walker", Say: "hello from the cloud", Stay: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	r.eventually(20*time.Second, "the bot's line is in the console", func() (bool, string) {
		out := r.must("server", "logs", "friends", "--tail", "20")
		return strings.Contains(out, "hello from the cloud"), out
	})
	player.Stop()
	if out := r.must("server", "why", "friends"); !strings.Contains(out, s.Node) {
		t.Errorf("why: %s", out)
	}
	for _, x := range r.cloud.Inventory().Things {
		if strings.Contains(x.Kind, "ssh") {
			t.Errorf("a key was made: %+v", x)
		}
	}

	r.must("server", "stop", "friends", "--wait")
	r.must("server", "delete", "friends", "--yes", "--wait")
	r.eventually(10*time.Second, "the machine is empty, and kept", func() (bool, string) {
		all = r.machines(false)
		return len(all) == 1 && all[0].Phase == "serving" && !all[0].EmptyAt.IsZero(), fmt.Sprintf("%+v", all)
	})
	until := all[0].PaidUntil
	r.eventually(4*time.Minute, "the machine is gone", func() (bool, string) {
		all = r.machines(true)
		return len(all) == 1 && all[0].Phase == "gone", fmt.Sprintf("%+v", all)
	})
	if left := until.Sub(all[0].Deleted); left < 30*time.Second || left > 6*time.Minute {
		t.Errorf("it went %s before its paid hour ended", left)
	}
	if inv := r.cloud.Inventory(); len(inv.Machines) != 0 || inv.Counters.Duplicates != 0 {
		t.Errorf("left in the cloud: %+v, %d orders were repeated", inv.Machines, inv.Counters.Duplicates)
	}
	history, err := r.client.ScalingHistory(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, e := range slices.Backward(history) {
		for _, a := range e.Actions {
			if a.Do != "keep" {
				did = append(did, a.Do)
			}
			if a.Why == "" {
				t.Errorf("%s without a reason", a.Do)
			}
		}
	}
	if !slices.Equal(did, []string{"order", "release"}) {
		t.Errorf("history: %v", did)
	}
	kinds := map[string]bool{}
	events, err := r.client.Events(t.Context(), client.EventsQuery{Type: "scaling.*", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events.Items {
		kinds[e.Type] = true
	}
	for _, kind := range []string{"scaling.decided", "scaling.machine_ordered", "scaling.machine_created", "scaling.machine_joined", "scaling.machine_serving", "scaling.machine_released", "scaling.machine_gone"} {
		if !kinds[kind] {
			t.Errorf("no event %s: %v", kind, kinds)
		}
	}
}

// TestF19ControllerKilledAroundTheOrder: the cloud's answer to the order is lost, and the controller is killed before it has found out. The next one
// finds the machine by its name, the agent joins with the token it was given, and no second machine was ever made.
func TestF19ControllerKilledAroundTheOrder(t *testing.T) {
	t.Parallel()
	r := newFleetRig(t, 0)
	if _, err := r.cloud.Inject(fakehetzner.Rule{Fault: fakehetzner.LoseReply, On: "POST /servers", Times: 1}); err != nil {
		t.Fatal(err)
	}
	r.must("scaling", "enable")
	r.must("server", "create", "friends", "--template", "testserver", "--memory", "128MiB", "--start")
	r.eventually(30*time.Second, "the cloud has the order", func() (bool, string) {
		inv := r.cloud.Inventory()
		return len(inv.Machines) == 1, fmt.Sprintf("%+v", inv.Counters)
	})
	r.controller.end(syscall.SIGKILL)
	r.controller.start()
	r.waitReady()
	r.waitState("friends", 2*time.Minute, "running")
	if inv := r.cloud.Inventory(); len(inv.Machines) != 1 || len(inv.Past) > 0 {
		t.Errorf("machines: %+v, all that ever were: %d", inv.Machines, len(inv.Past))
	}
	if all := r.machines(true); len(all) != 1 {
		t.Errorf("rows: %+v", all)
	}
	// An agent that is killed is started again by its machine, and its game runs on; so does a controller.
	before := r.server("friends")
	r.controller.end(syscall.SIGKILL)
	r.controller.start()
	r.waitReady()
	if after := r.waitState("friends", time.Minute, "running"); after.StartedAt == nil || before.StartedAt == nil || !after.StartedAt.Equal(*before.StartedAt) {
		t.Errorf("the game was interrupted: started %v and %v", before.StartedAt, after.StartedAt)
	}
}
