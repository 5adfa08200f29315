package monitor

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// fakeHosts is two nodes: "good" answers, "hung" never does.
type fakeHosts struct {
	anyHost
	memory int64
	hang   bool
}

func (f *fakeHosts) Connected() []string { return []string{"good", "hung", "gone"} }

func (f *fakeHosts) Host(node string) (protocol.Host, error) {
	switch node {
	case "good":
		return f, nil
	case "hung":
		return &fakeHosts{hang: true}, nil
	default:
		return nil, errors.New("left")
	}
}

func (f *fakeHosts) Sample(ctx context.Context, _ protocol.SampleRequest) (protocol.Sample, error) {
	if f.hang {
		<-ctx.Done()
		return protocol.Sample{}, ctx.Err()
	}
	f.memory++
	return protocol.Sample{Servers: []protocol.ServerSample{{Server: "srv_1", MemoryBytes: f.memory, Players: -1, TPS: -1}}, Host: protocol.HostSample{MemoryUsed: 7}}, nil
}

// anyHost lends fakeHosts the methods that no test calls.
type anyHost struct{ protocol.Host }

type noDB struct{ store.DB }

func newMonitor(t *testing.T, h Hosts) *Monitor {
	t.Helper()
	m, err := New(Options{DB: noDB{}, Hosts: h, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOneHungNodeCostsOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, &fakeHosts{})
		began := time.Now()
		if err := m.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("the sweep took %v", took)
		}
		if s, _, ok := m.Server("srv_1"); !ok || s.MemoryBytes != 1 {
			t.Fatalf("newest = %+v, %v", s, ok)
		}
		if _, _, ok := m.Node("hung"); ok {
			t.Fatal("a node that gave nothing has a sample")
		}
	})
}

func TestHistoryIsBoundedAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, &fakeHosts{})
		began := time.Now()
		for range 3 * Keep {
			m.take("good", protocol.Sample{Servers: []protocol.ServerSample{{Server: "srv_1", MemoryBytes: int64(time.Since(began))}}})
			time.Sleep(Step / 2) // two samples a step: only one of them becomes a point
		}
		h := m.History("srv_1", time.Time{})
		if len(h) != Keep {
			t.Fatalf("%d points, want %d", len(h), Keep)
		}
		for i := 1; i < len(h); i++ {
			if d := h[i].At.Sub(h[i-1].At); d != Step {
				t.Fatalf("points %d and %d are %v apart", i-1, i, d)
			}
		}
		if got := m.History("srv_1", h[Keep-3].At); len(got) != 2 {
			t.Fatalf("since gave %d points, want 2", len(got))
		}
	})
}

func TestOldSamplesAreNotNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, &fakeHosts{})
		m.take("good", protocol.Sample{Servers: []protocol.ServerSample{{Server: "srv_1"}}})
		time.Sleep(freshFor + time.Second)
		if _, _, ok := m.Server("srv_1"); ok {
			t.Fatal("a sample of 31 s ago counts as now")
		}
		time.Sleep(Keep * Step)
		m.forget()
		if h := m.History("srv_1", time.Time{}); h != nil {
			t.Fatal("the history of a server long gone is kept")
		}
	})
}
