package tunnel

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

// TestF01AuthorityKilledAtEachStep dies at each step of making, rotating and retiring the CA: whatever is left opens, trusts the CA that
// was last acknowledged to sign, and can go on with the rotation.
func TestF01AuthorityKilledAtEachStep(t *testing.T) {
	points := []string{"tunnel.file.before", "tunnel.file.synced", "tunnel.file.renamed", "tunnel.file.after"}
	killtest.Run(t, killtest.Case{Points: points, At: []int{1, 2, 3, 4, 6}, Work: rotate, Check: checkAuthority})
	killtest.Run(t, killtest.Case{Points: []string{"tunnel.retire.before", "tunnel.retire.between", "tunnel.retire.after"}, At: []int{1}, Work: rotate, Check: checkAuthority})
}

// TestF14AuthorityIsSyncedFirst: a CA that is answered for, and the end of one, are on the disk.
func TestF14AuthorityIsSyncedFirst(t *testing.T) {
	killtest.Synced(t, killtest.Case{Work: rotate}, "pin")
}

// rotate takes whatever step comes next, four times.
func rotate(_ context.Context, dir string, acked func(int)) error {
	for n := range 4 {
		a, err := OpenAuthority(dir, "cluster-1", nil)
		if err != nil {
			return err
		}
		names, err := a.names()
		if err != nil {
			return err
		}
		switch {
		case n == 0:
		case len(names) == 1:
			_, err = a.Prepare()
		case a.active.name == names[0]:
			err = a.Activate()
		default:
			err = a.Retire()
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "pin"), []byte(a.Pin()), 0o600); err != nil {
			return err
		}
		acked(n + 1)
	}
	return nil
}

func checkAuthority(t *testing.T, dir string, acked int) {
	a, err := OpenAuthority(dir, "cluster-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	pin, err := os.ReadFile(filepath.Join(dir, "pin"))
	if acked > 0 && (err != nil || !slices.Contains(a.Pins(), string(pin))) {
		t.Errorf("agents know %s (%v), the controller has %v", pin, err, a.Pins())
	}
	keys, _ := filepath.Glob(filepath.Join(dir, "ca-*.key"))
	if acked > 0 && len(keys) > len(a.Pins())+1 { // one more when it died between the key and the certificate of a new CA
		t.Errorf("%d keys of %d CAs", len(keys), len(a.Pins()))
	}
}
