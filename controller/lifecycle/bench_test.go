package lifecycle_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

// large is a store with 10,000 servers on 1,000 nodes, nine of ten running, and 20 to be started.
func large(b *testing.B) *bolt.DB {
	b.Helper()
	ctx := b.Context()
	db, err := bolt.Open(ctx, filepath.Join(b.TempDir(), "store.db"), bolt.Options{Tables: append(fleet.Tables(), event.Tables()...)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	now := time.Now().UTC()
	for chunk := range 20 {
		if err := db.Update(ctx, func(tx store.Tx) error {
			for i := chunk * 50; i < (chunk+1)*50; i++ {
				n := fleet.Node{ID: fmt.Sprintf("node_%04d", i), Name: fmt.Sprintf("n%04d", i), LastSeen: now, Session: &fleet.Session{ID: "s", Since: now}, Facts: protocol.NodeFacts{
					Boot: "b", Arch: "amd64", Roles: []string{"worker"}, CPUs: 16, MemoryBytes: 64 * gib, DiskBytes: 1 << 40, PortFrom: 25565, PortTo: 25665, Docker: "28",
				}}
				if err := fleet.Nodes.Put(tx, n); err != nil {
					return err
				}
			}
			for i := chunk * 500; i < (chunk+1)*500; i++ {
				if err := put(tx, i, now); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return db
}

func put(tx store.Tx, i int, now time.Time) error {
	s := fleet.Server{
		ID: fmt.Sprintf("srv_%05d", i), Name: fmt.Sprintf("s%05d", i), Owner: "alice", Desired: fleet.Running, Node: fmt.Sprintf("node_%04d", i%1000), Epoch: 1, Ordered: true, Boot: "b",
		MemoryBytes: 2 * gib, DiskBytes: gib, CreatedAt: now, DesiredAt: now, Env: map[string]string{"MOTD": "Hello", "TYPE": "PAPER", "DIFFICULTY": "hard"},
		Observed: protocol.Observed{Server: fmt.Sprintf("srv_%05d", i), Epoch: 1, State: protocol.StateRunning, Since: now, Container: "0123456789abcdef", Started: now, Ready: now},
	}
	s.Spec = protocol.Spec{Server: s.ID, Name: s.Name, Image: "itzg/minecraft-server:java21", Env: map[string]string{"MOTD": "Hello", "TYPE": "PAPER", "EULA": "TRUE", "MEMORY": "1600M"}, MemoryBytes: s.MemoryBytes}
	if i%10 == 0 {
		s.Desired, s.Observed.State = fleet.Stopped, protocol.StateStopped
	}
	if err := fleet.Servers.Put(tx, s); err != nil {
		return err
	}
	return fleet.Bookings.Put(tx, fleet.Booking{Server: s.ID, Node: s.Node, MemoryBytes: s.MemoryBytes, DiskBytes: gib, Port: 25565 + i/1000, Runs: true, Confirmed: true, BookedAt: now})
}

// BenchmarkFleet10k measures what the loop and a status page read of 10,000 servers and 1,000 nodes; the pages over HTTP are BenchmarkBigFleet's. "ratio" is the time by that figure, for the loop by a tenth of a core at a run each 2 s.
func BenchmarkFleet10k(b *testing.B) {
	db := large(b)
	read := func(fn func(tx store.Tx) error) func() error {
		return func() error { return db.View(b.Context(), fn) }
	}
	for _, c := range []struct {
		name string
		most time.Duration
		fn   func() error
	}{
		{"loop-settled", 200 * time.Millisecond, read(func(tx store.Tx) error { _, err := fleet.ReadUnsettled(tx, time.Now()); return err })},
		{"placement-room", 0, read(func(tx store.Tx) error { _, err := fleet.ReadRoom(tx, time.Now()); return err })},
		{"status-totals", 0, read(func(tx store.Tx) error {
			s, err := fleet.Read(tx, time.Now())
			s.Totals()
			return err
		})},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.fn(); err != nil {
					b.Fatal(err)
				}
			}
			if c.most > 0 {
				b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(c.most), "ratio")
			}
		})
	}
}
