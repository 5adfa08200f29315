package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
)

func TestWhy(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		w.node("small", 1*gib)
		w.node("large", 8*gib)
		w.create("alpha", 2*gib)
		w.create("giant", 64*gib)
		for _, name := range []string{"alpha", "giant"} {
			_, err := w.lc.Start(t.Context(), "alice", name)
			w.must(err)
		}
		after(time.Minute)
		b, err := w.lc.Why(t.Context(), "alpha")
		w.must(err)
		if b.Node == nil || b.Node.Name != "large" || len(b.Nodes) != 2 || !b.Nodes[0].Fits || b.Nodes[1].Fits || !strings.Contains(b.Nodes[1].Why, "memory") {
			t.Errorf("%+v", b)
		}
		b, err = w.lc.Why(t.Context(), "giant")
		w.must(err)
		if b.Node != nil || b.Server.Waiting == nil || b.Choice.Node != "" || b.Nodes[0].Fits || b.Nodes[1].Fits {
			t.Errorf("%+v", b)
		}
		if _, err := w.lc.Why(t.Context(), "nobody"); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
	})
}
