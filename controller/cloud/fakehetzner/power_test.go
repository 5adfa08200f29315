package fakehetzner_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
)

// bench is a Booter that writes down what it is told.
type bench struct {
	mu    sync.Mutex
	on    map[string]int
	told  []fakehetzner.Machine
	wiped []string
	slow  time.Duration // stop takes that long
}

func (b *bench) Boot(_ context.Context, m fakehetzner.Machine) (func(), error) {
	if m.Name == "broken" {
		return nil, errors.New("it does not boot")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.on[m.ID]++
	b.told = append(b.told, m)
	return func() {
		time.Sleep(b.slow)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.on[m.ID]--
	}, nil
}

func (b *bench) Wipe(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wiped = append(b.wiped, id)
}

func (b *bench) count() (on int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.on {
		on += n
	}
	return on
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func run(t *testing.T, c *fakehetzner.Cloud) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return end
}

func TestMachinesAreBootedWhileTheyAreOn(t *testing.T) {
	b := &bench{on: map[string]int{}, slow: 100 * time.Millisecond}
	fake, c := start(t, fakehetzner.Options{Boot: b})
	end := run(t, fake)
	ctx := t.Context()
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.NeverJoin, Machine: "mute"})
	s := create(t, c, order("m"))
	create(t, c, order("mute"))
	create(t, c, order("broken"))
	eventually(t, "it is booted", func() bool { return b.count() == 1 })
	if m := b.told[0]; m.Name != "m" || m.Boots != 1 || string(m.UserData) != "#cloud-config\n" || m.Address.String() != s.PublicNet.IPv4.IP.String() || m.ImageName != "debian-12" {
		t.Errorf("it was told %+v", m)
	}
	a, _, err := c.Server.Reset(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, a)
	eventually(t, "it is booted again", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.told) == 2 && b.told[1].Boots == 2 })
	if a, _, err = c.Server.Poweroff(ctx, s); err != nil {
		t.Fatal(err)
	}
	wait(t, c, a)
	if n := b.count(); n != 0 { // what the API calls off is off: a world is started elsewhere on its word
		t.Errorf("%d run, and the API says off", n)
	}
	if a, _, err = c.Server.Poweron(ctx, s); err != nil {
		t.Fatal(err)
	}
	wait(t, c, a)
	eventually(t, "it is on", func() bool { return b.count() == 1 })
	del, _, err := c.Server.DeleteWithResult(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, del.Action)
	if n := b.count(); n != 0 {
		t.Errorf("%d run, and it is deleted", n)
	}
	eventually(t, "its disk is gone", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.wiped) == 1 })
	v := create(t, c, order("v"))
	eventually(t, "another is on", func() bool { return b.count() == 1 })
	if !fake.Vanish(fake.Inventory().Machines[2].ID) || fake.Vanish("4") {
		t.Error("the wrong machine vanished")
	}
	eventually(t, "it is off", func() bool { return b.count() == 0 })
	if s, _, _ := c.Server.GetByID(ctx, v.ID); s != nil {
		t.Errorf("it is still %v", s.Status)
	}
	create(t, c, order("last"))
	eventually(t, "the last is on", func() bool { return b.count() == 1 })
	end()
	if n := b.count(); n != 0 {
		t.Errorf("%d outlive Run", n)
	}
}

func TestSlowBoots(t *testing.T) {
	clk := newClock()
	b := &bench{on: map[string]int{}}
	fake, c := start(t, fakehetzner.Options{Boot: b, Clock: clk.Now})
	run(t, fake)
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.SlowBoot, Delay: time.Minute, Times: 1})
	s := create(t, c, order("slow"))
	create(t, c, order("quick"))
	eventually(t, "the quick one is on", func() bool { return b.count() == 1 })
	if s, _, err := c.Server.GetByID(t.Context(), s.ID); err != nil || s.Status != hcloud.ServerStatusRunning {
		t.Errorf("the slow one is %v, %v", s.Status, err)
	}
	clk.Pass(time.Minute)
	eventually(t, "the slow one is on, too", func() bool { return b.count() == 2 })
	if !slices.ContainsFunc(b.told, func(m fakehetzner.Machine) bool { return m.Name == "slow" }) {
		t.Error("another one was booted")
	}
}
