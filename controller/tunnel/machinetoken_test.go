package tunnel_test

import (
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

// TestF26MachineToken: the token of a rented machine opens nothing until the provider has said which machine it is, and then only to
// that one from its address; asked for again it is the same.
func TestF26MachineToken(t *testing.T) {
	c := newCluster(t)
	ask := func(machine, name string) (tunnel.Token, error) {
		return c.tun.MachineToken(t.Context(), operator, machine, tunnel.TokenRequest{Name: name, Class: fleet.Cloud, Roles: []string{"worker"}})
	}
	tok, err := ask("mach_1", "w1")
	must(t, err)
	again, err := ask("mach_1", "w1")
	must(t, err)
	other, err := ask("mach_2", "w2")
	must(t, err)
	if tok.Secret != again.Secret || tok.Secret == other.Secret || !tok.Expires.Equal(again.Expires) || c.happened("node.token_created") != 2 {
		t.Fatalf("%+v, %+v, %+v", tok, again, other)
	}
	s := c.stranger()
	on := func(machine string) func(*protocol.JoinRequest) {
		return func(r *protocol.JoinRequest) { r.Facts.MachineID = machine }
	}
	refused := func(code protocol.Code, says string, change func(*protocol.JoinRequest)) {
		t.Helper()
		_, err := s.join(tok.Secret, change)
		wantCode(t, err, code)
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %q", err, says)
		}
	}
	bind := func(id, address string) {
		t.Helper()
		must(t, c.db.Update(t.Context(), func(tx store.Tx) error {
			return tunnel.BindToken(tx, "mach_1", id, address, time.Now().Add(time.Minute))
		}))
	}
	refused(protocol.Unavailable, "not said", on("4711")) // an agent that hears this tries again
	bind("4711", "203.0.113.7")
	refused(protocol.Unauthorized, "this address", on("4711"))
	bind("4711", "127.0.0.1")
	refused(protocol.Unauthorized, "another machine", on("4712"))
	reply, err := s.join(tok.Secret, on("4711"))
	must(t, err)
	n := c.node("w1")
	if n.ID != reply.Node || n.Class != fleet.Cloud || n.Machine != "mach_1" || !n.Proving || n.State(time.Now()) == "ready" {
		t.Errorf("%+v", n)
	}
	must(t, c.db.View(t.Context(), func(tx store.Tx) error {
		for machine, want := range map[string]string{"mach_1": n.ID, "mach_2": "", "mach_3": ""} {
			if node, err := tunnel.JoinedAs(tx, machine); err != nil || node != want {
				t.Errorf("%s joined as %q, %v; want %q", machine, node, err, want)
			}
		}
		return nil
	}))
	_, err = ask("mach_1", "w1")
	wantCode(t, err, protocol.Conflict)
	for range 2 {
		must(t, c.db.Update(t.Context(), func(tx store.Tx) error { return tunnel.DropToken(tx, "mach_2") }))
	}
	_, err = c.stranger().join(other.Secret, on("4713"))
	wantCode(t, err, protocol.Unauthorized)
}
