package simulate

import (
	"testing"

	"github.com/payperplay/payperplay/protocol/plant"
)

// TestRegressions plays the seeds that have found a bug. What a seed draws changes when a fault is added, so the row also says what it was;
// rooms have tests of their own for these.
func TestRegressions(t *testing.T) {
	if plant.Chosen() != "" {
		t.Skip("a bug is planted")
	}
	ca := authority(t)
	for _, r := range []struct {
		seed uint64
		what string
	}{
		{266, "a stop while a start was on its way freed its memory: another server could be placed on it"},
		{76, "a server that was deleted while it was placed: the error had no next step"},
		{206, "a stop that came again after the start that followed it ended the new game: orders were not numbered"},
		{5068, "an inventory that was on its way when a start was granted freed the memory of that start"},
		{2939, "a server that was deleted while its settings were changed: the error had no next step"},
	} {
		if w := play(t, r.seed, ca); len(w.violations()) > 0 {
			fail(t, w, w.violations())
			t.Errorf("seed %d is back: %s", r.seed, r.what)
		}
	}
}
