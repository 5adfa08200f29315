package autoscale

import (
	"fmt"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/provision"
)

// BenchmarkDecide decides for 1,000 machines with 10,000 servers, of which 100 wait.
func BenchmarkDecide(b *testing.B) {
	w := newWorld()
	for i := range 1000 {
		m := w.machine(fmt.Sprintf("m%04d", i), "large", provision.Serving, time.Duration(i)*time.Minute)
		for j := range 10 {
			w.book(fmt.Sprintf("srv_%d_%d", i, j), m.Node, gib, time.Duration(i)*time.Minute, true)
		}
	}
	for i := range 100 {
		w.wait(fmt.Sprintf("srv_w%d", i), 5*gib)
	}
	s := Default()
	s.Enabled, s.MaxNodes, s.MaxPerDay = true, 10_000, 1_000_000_000_000
	s.SpareImages = map[string]string{"": "42"}
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(w.Snapshot, s, now); len(d.Acts()) == 0 {
			b.Fatal(d.Explain())
		}
	}
}
