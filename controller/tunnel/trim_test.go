package tunnel

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

func TestForgettable(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	old, young := now.Add(-91*24*time.Hour), now.Add(-89*24*time.Hour)
	for name, test := range map[string]struct {
		node fleet.Node
		want bool
	}{
		"revoked long ago":          {fleet.Node{Revoked: true, JoinedAt: old, UpdatedAt: old, LastSeen: old}, true},
		"revoked lately":            {fleet.Node{Revoked: true, JoinedAt: old, UpdatedAt: young, LastSeen: old}, false},
		"seen lately":               {fleet.Node{Revoked: true, JoinedAt: old, UpdatedAt: old, LastSeen: young}, false},
		"not revoked, never seen":   {fleet.Node{JoinedAt: old, UpdatedAt: old}, false},
		"revoked, still connected":  {fleet.Node{Revoked: true, JoinedAt: old, Session: &fleet.Session{}}, false},
		"revoked, times not known":  {fleet.Node{Revoked: true}, true},
		"joined lately and revoked": {fleet.Node{Revoked: true, JoinedAt: young}, false},
	} {
		if got := forgettable(test.node, now); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestF25StrangerOfLongAgo: no certificate of a node whose row was trimmed is young enough to be taken for a sign of an old store.
func TestF25StrangerOfLongAgo(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for age, sign := range map[time.Duration]bool{-time.Hour: true, 59 * 24 * time.Hour: true, 61 * 24 * time.Hour: false, revokedKeep - nodeLife: false} {
		key, err := stranger(errNotKnown, &x509.Certificate{NotAfter: now.Add(-age), RawSubjectPublicKeyInfo: []byte("k")}, now)
		if errors.Is(err, errNotKnown) != sign || (key != nil) != sign || !sign && protocol.CodeOf(err) != protocol.Unauthorized {
			t.Errorf("%s after the end of its certificate: %q, %v", age, key, err)
		}
	}
	if revokedKeep-nodeLife <= strangerLife {
		t.Errorf("a revoked node is forgotten after %s, its last certificate is young until %s", revokedKeep, nodeLife+strangerLife)
	}
}

func TestTrim(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "controller.db"), bolt.Options{Tables: slices.Concat(fleet.Tables(), Tables()), DoubleRun: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	now := time.Now().UTC()
	old := now.Add(-100 * 24 * time.Hour)
	update := func(fn func(tx store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx store.Tx) error {
		for i := range 7 {
			if err := fleet.Nodes.Put(tx, fleet.Node{ID: fmt.Sprint("node_", i), Name: fmt.Sprint("n", i), Revoked: i > 1, JoinedAt: old, UpdatedAt: old}); err != nil {
				return err
			}
			if err := enrolments.Put(tx, Enrolment{Node: fmt.Sprint("node_", i)}); err != nil {
				return err
			}
		}
		for i := range 9 {
			if err := joinTokens.Put(tx, JoinToken{Hash: fmt.Sprint(i), Name: "x", Expires: now.Add(-time.Duration(i) * 2 * 24 * time.Hour)}); err != nil {
				return err
			}
		}
		return fleet.Servers.Put(tx, fleet.Server{ID: "srv_1", Name: "s", Node: "node_6", Desired: fleet.Stopped})
	})
	count := func(fn func(store.Tx, time.Time, int) (int, error), most int) (n int) {
		update(func(tx store.Tx) (err error) {
			n, err = fn(tx, now, most)
			return err
		})
		return n
	}
	for _, step := range []struct{ most, want int }{{3, 3}, {3, 1}, {3, 0}} {
		if n := count(TrimRevoked, step.most); n != step.want { // four of five: one still has a server
			t.Errorf("%d revoked nodes, want %d", n, step.want)
		}
	}
	if n := count(TrimTokens, 500); n != 5 {
		t.Errorf("%d tokens", n)
	}
	if err := db.View(t.Context(), func(tx store.Tx) error {
		nodes, err := fleet.Nodes.Count(tx)
		if err != nil {
			return err
		}
		joined, err := enrolments.Count(tx)
		if nodes != 3 || joined != 3 {
			t.Errorf("%d nodes, %d enrolments are left", nodes, joined)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
