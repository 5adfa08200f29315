package tunnel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store/bolt"
)

// TestStoreKnowsItsCA: a controller that finds the store and not its CA makes no other one, which no agent would trust.
func TestStoreKnowsItsCA(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"), bolt.Options{Tables: Tables()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	dir := filepath.Join(t.TempDir(), "ca")
	at := func(dir string) AuthorityOptions { return AuthorityOptions{Dir: dir, Cluster: db.ClusterID()} }
	first, err := AuthorityOf(t.Context(), db, at(dir))
	if err != nil {
		t.Fatal(err)
	}
	again, err := AuthorityOf(t.Context(), db, at(dir))
	if err != nil || again.Pin() != first.Pin() {
		t.Fatalf("the second start: %v", err)
	}

	elsewhere := filepath.Join(t.TempDir(), "ca")
	_, err = AuthorityOf(t.Context(), db, at(elsewhere))
	if fault.KindOf(err) != fault.Precondition || !strings.Contains(fault.Next(err), "copy the directory ca") || !strings.Contains(err.Error(), first.Pin()) {
		t.Errorf("with no CA: %v; %s", err, fault.Next(err))
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("a CA was made")
	}
	other := filepath.Join(t.TempDir(), "ca")
	if _, err := OpenAuthority(other, db.ClusterID(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := AuthorityOf(t.Context(), db, at(other)); fault.KindOf(err) != fault.Precondition {
		t.Errorf("with another CA: %v", err)
	}

	// A rotation: both pins are known at the step in between, and the old one alone does at the end.
	if _, err := again.Prepare(); err != nil {
		t.Fatal(err)
	}
	if err := again.Activate(); err != nil {
		t.Fatal(err)
	}
	if _, err := AuthorityOf(t.Context(), db, at(dir)); err != nil {
		t.Errorf("in a rotation: %v", err)
	}
	if err := again.Retire(); err != nil {
		t.Fatal(err)
	}
	rotated, err := AuthorityOf(t.Context(), db, at(dir))
	if err != nil || rotated.Pin() == first.Pin() {
		t.Errorf("after a rotation: %v", err)
	}

	// The way out: a CA that is lost for good is replaced when somebody says so.
	forced := at(elsewhere)
	forced.New = true
	fresh, err := AuthorityOf(t.Context(), db, forced)
	if err != nil || fresh.Pin() == rotated.Pin() {
		t.Fatalf("a new CA: %v", err)
	}
	if _, err := AuthorityOf(t.Context(), db, at(elsewhere)); err != nil {
		t.Errorf("the start after it: %v", err)
	}
	if _, err := AuthorityOf(t.Context(), db, at(dir)); fault.KindOf(err) != fault.Precondition {
		t.Errorf("with the CA that was replaced: %v", err)
	}
}
