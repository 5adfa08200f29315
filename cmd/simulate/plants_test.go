package simulate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol/plant"
)

// found tells, for each planted bug, which invariants may find it, and the fault that brings it to light best.
func found() map[plant.Name]struct {
	by     []string
	favour string
} {
	type row = struct {
		by     []string
		favour string
	}
	return map[plant.Name]row{
		plant.GrantWithoutFsync:   {[]string{"grant"}, "agent-crash-at-io"},
		plant.EventBeforeCommit:   {[]string{"events"}, ""},
		plant.MemoryReleasedTwice: {[]string{"booked"}, ""},
		plant.MissingRecheck:      {[]string{"recheck", "I1"}, ""},
		plant.StaleTermWrite:      {[]string{"term"}, "takeover"},
		plant.StartWithoutGrant:   {[]string{"grant"}, "machine-death"},
		plant.BlindController:     {[]string{"I1"}, "blind"},
		plant.ReportCountedTwice:  {[]string{"reports"}, "lose-replies"},
		plant.StopLosesToStart:    {[]string{"stop"}, "double"},
		plant.ReleaseOnUnknown:    {[]string{"booked"}, ""},
		plant.EpochNotRaised:      {[]string{"epoch"}, ""},
		plant.SequenceGap:         {[]string{"events"}, ""},
		plant.Overbooked:          {[]string{"booked"}, ""},
		plant.ReportAckedUnkept:   {[]string{"reports"}, "store-disk-full"},
		plant.NodeClockBelieved:   {[]string{"clock"}, "drift"},
		plant.LogClockFalls:       {[]string{"events"}, "controller-clock"},
		plant.LateOrder:           {[]string{"order"}, "double"},
	}
}

// elsewhere are the bugs of rooms that this simulator has no part for, and who finds them: the machines of a cloud have a world of their
// own, controller/provision's chaos (scripts/simulate plants runs it too).
func elsewhere() map[plant.Name]string {
	return map[plant.Name]string{
		plant.CreateCountedTwice: "controller/provision.TestI3CloudEqualsRows",
		plant.DeleteWithServer:   "controller/provision.TestI3CloudEqualsRows",
		plant.CapOutsideTx:       "controller/provision.TestI3CloudEqualsRows",
	}
}

// favourite is the fault that every second one is, for the bug that is planted.
func favourite() string { return found()[plant.Chosen()].favour }

// TestPlant plays seeds until the bug that PPP_PLANT names is found, and fails when it is not, or by the wrong invariant.
// It needs -tags plants.
func TestPlant(t *testing.T) {
	if !plant.Built || plant.Chosen() == "" {
		t.Skip("no bug is planted: build with -tags plants and name one with " + plant.EnvName)
	}
	want := found()[plant.Chosen()].by
	ca := authority(t)
	most, began := env("SIM_SEEDS", 200), time.Now()
	for seed := range uint64(most) { //nolint:gosec // not negative
		w := play(t, seed+1, ca)
		bad := w.violations()
		if len(bad) == 0 {
			continue
		}
		if !slices.Contains(want, bad[0].Invariant) {
			t.Fatalf("plant %s was found by invariant %s and not by %v: %s\nplay it again: make simulate SEEDS=1 SEED=%d PLANT=%s", plant.Chosen(), bad[0].Invariant, want, bad[0], seed+1, plant.Chosen())
		}
		fmt.Printf("plant %-32s found by %-8s in seed %3d after %4.1f s (its line was passed %d times): %.120s\n", plant.Chosen(), bad[0].Invariant, seed+1, time.Since(began).Seconds(), plant.Reached(), bad[0].Text)
		return
	}
	t.Fatalf("plant %s was not found in %d seeds (its line was passed %d times)", plant.Chosen(), most, plant.Reached())
}

// TestEveryPlantHasAFinder: a bug without an invariant that must find it shows nothing.
func TestEveryPlantHasAFinder(t *testing.T) {
	for _, p := range plant.Names() {
		if len(found()[p.Name].by) == 0 && elsewhere()[p.Name] == "" {
			t.Errorf("plant %s has no invariant that must find it", p.Name)
		}
	}
	if len(found())+len(elsewhere()) != len(plant.Names()) {
		t.Errorf("%d finders for %d plants", len(found())+len(elsewhere()), len(plant.Names()))
	}
}

// TestNames lists the bugs for scripts/simulate.
func TestNames(*testing.T) {
	for _, p := range plant.Names() {
		if elsewhere()[p.Name] != "" {
			fmt.Printf("elsewhere: %s\n", p.Name)
			continue
		}
		fmt.Printf("plant: %s\n", p.Name)
	}
}

// TestReplay plays seeds twice and says how often the second time was like the first. Orders and faults must always be.
func TestReplay(t *testing.T) {
	n := env("SIM_REPLAYS", 2)
	ca := authority(t)
	same := 0
	for seed := range uint64(n) { //nolint:gosec // not negative
		a, b := play(t, seed+1, ca), play(t, seed+1, ca)
		for i, w := range []*world{a, b} {
			for _, v := range w.violations() {
				t.Errorf("seed %d, time %d: %s\n%s", seed+1, i+1, v, w.trace.tail(40))
			}
		}
		if !slices.Equal(a.trace.plans, b.trace.plans) && !t.Failed() {
			t.Errorf("seed %d had other orders and faults the second time: %s", seed+1, apart(a.trace.plans, b.trace.plans))
		}
		if a.trace.text() == b.trace.text() {
			same++
		}
	}
	fmt.Printf("replay: orders and faults of %d seeds were the same twice; the whole trace of %d\n", n, same)
}

// apart shows where two plans differ first.
func apart(a, b []string) string {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("line %d of %d and %d:\n%s\n%s", i, len(a), len(b), strings.Join(a[i:min(len(a), i+3)], "\n"), strings.Join(b[i:min(len(b), i+3)], "\n"))
		}
	}
	return ""
}
