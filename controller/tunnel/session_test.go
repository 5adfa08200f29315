package tunnel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	agent "github.com/payperplay/payperplay/agent/tunnel"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

// TestF27RevocationCutsWithinTwoSeconds: the live session, a bulk connection and every later attempt.
func TestF27RevocationCutsWithinTwoSeconds(t *testing.T) {
	c := newCluster(t)
	m := c.enrolled("alpha")
	m.games.export = 1 << 20
	id := m.agent.Status().Node
	con, err := c.tun.Console(id)
	must(t, err)
	must(t, con.Export(t.Context(), protocol.ExportRequest{Server: "srv_1"}, io.Discard)) // opens bulk
	start := time.Now()
	must(t, c.tun.Revoke(t.Context(), operator, "alpha"))
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("revoking took %s, want at most 2 s", took)
	}
	if c.tun.Live(id).Connected {
		t.Error("still in the table")
	}
	if _, err := c.tun.Runtime(id); protocol.CodeOf(err) != protocol.Unavailable {
		t.Errorf("Runtime of a revoked node: %v", err)
	}
	eventually(t, 5*time.Second, "agent parks", func() bool { return m.agent.Status().Parked })
	if p := m.agent.Status().Problem; !strings.Contains(p, "revoked") {
		t.Errorf("the agent says %q", p)
	}
	m.stop()
	back := again(t, m.dir)
	eventually(t, 5*time.Second, "restarted agent parks", func() bool { return back.agent.Status().Parked })
	if p := back.agent.Status().Problem; !strings.Contains(p, "revoked") {
		t.Errorf("the restarted agent says %q", p)
	}
	must(t, c.tun.Revoke(t.Context(), operator, id)) // twice is no error
	if n := c.happened("node.revoked"); n != 1 {
		t.Errorf("%d node.revoked events", n)
	}
}

// TestF27CallsOfARevokedSession: a session that ignores its goodbye is cut, and its calls in between change nothing.
func TestF27CallsOfARevokedSession(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	call := s.session()
	_, err := call.hello("run-1", 1)
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- c.tun.Revoke(context.Background(), operator, "alpha") }()
	for call.Err() == nil {
		_, _ = call.Report(t.Context(), protocol.ReportBatch{Reports: []protocol.Report{{Seq: 1}}})
	}
	must(t, <-done)
	if g := <-call.goodbye; g.Retry || !strings.Contains(g.Reason, "revoked") {
		t.Errorf("goodbye %+v", g)
	}
	_, err = s.session().hello("run-1", 2)
	wantCode(t, err, protocol.Unauthorized)
}

// TestF08NewerGenerationWins: the older session is told and closed.
func TestF08NewerGenerationWins(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	old := s.session()
	_, err := old.hello("run-1", 1)
	must(t, err)
	fresh := s.session()
	_, err = fresh.hello("run-2", 2)
	must(t, err)
	old.ended(t, 3*time.Second)
	if g := <-old.goodbye; !g.Retry || !strings.Contains(g.Reason, "newer session") {
		t.Errorf("goodbye %+v", g)
	}
	if c.tun.Live(s.node).Session == "" || fresh.Err() != nil {
		t.Error("the newer session did not stay")
	}
	late := s.session()
	_, err = late.hello("run-3", 1)
	wantCode(t, err, protocol.Stale)
	late.ended(t, 3*time.Second)
	if n := c.happened("node.duplicate"); n != 1 {
		t.Errorf("%d node.duplicate events, want 1", n)
	}
}

// TestF08DuplicateAgentLocks: A, B, A, B with one key locks the node until an operator has decided.
func TestF08DuplicateAgentLocks(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	var err error
	var last *callee
	for i, run := range []string{"a", "b", "a", "b"} {
		last = s.session()
		_, err = last.hello(run, int64(i+1))
		if i < 3 {
			must(t, err)
		}
	}
	wantCode(t, err, protocol.Forbidden)
	n := c.node("alpha")
	if !n.Locked || c.happened("node.duplicate") != 1 {
		t.Fatalf("node %+v", n)
	}
	eventually(t, 3*time.Second, "both are out", func() bool { return !c.tun.Live(s.node).Connected })
	_, err = s.session().hello("c", 9)
	wantCode(t, err, protocol.Forbidden)
	must(t, c.tun.Unlock(t.Context(), operator, "alpha"))
	_, err = s.session().hello("a", 10)
	must(t, err)
	wantCode(t, c.tun.Unlock(t.Context(), operator, "alpha"), protocol.Conflict)
}

// TestF08CloneOfADataDirectory: two real agents over copies of one directory end locked, and the survivor comes back after unlock.
func TestF08CloneOfADataDirectory(t *testing.T) {
	c := newCluster(t)
	m := c.enrolled("alpha")
	m.stop()
	clone := t.TempDir()
	must(t, copyDir(m.dir, clone))
	quick := func(o *agent.Options) { o.BackoffTo = 50 * time.Millisecond }
	a, b := again(t, m.dir, quick), again(t, clone, quick)
	eventually(t, 20*time.Second, "lock", func() bool { return c.node("alpha").Locked })
	b.stop()
	must(t, c.tun.Unlock(t.Context(), operator, "alpha"))
	eventually(t, 20*time.Second, "the one that is left is back", func() bool { return a.agent.Status().Connected })
}

// TestF08CopiedMachine: a machine made of another one's disk is not let in beside it, and without it only when the operator says so:
// after a new boot id its games would be started a second time (found by the simulator, I1).
func TestF08CopiedMachine(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	machine := func(run string, generation int64, id string) (*callee, error) {
		x := s.session()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req := greeting(run, generation)
		req.Facts.MachineID = id
		_, err := x.Hello(ctx, req)
		return x, err
	}
	first, err := machine("a", 1, c.node("alpha").Facts.MachineID)
	must(t, err)
	_, err = machine("b", 2, "serial-2")
	wantCode(t, err, protocol.Stale)
	if first.Err() != nil || !c.tun.Live(s.node).Connected || c.happened("node.duplicate") != 1 {
		t.Error("the copy disturbed the machine it was made of, or nobody was told")
	}
	for i := range 3 { // however often it tries, and the first comes and goes, the first is let in
		_, err = machine("b", int64(4+2*i), "serial-2")
		wantCode(t, err, protocol.Stale)
		first, err = machine("a", int64(5+2*i), c.node("alpha").Facts.MachineID)
		must(t, err)
	}
	must(t, first.Close(nil))
	eventually(t, 3*time.Second, "the first is gone", func() bool { return !c.tun.Live(s.node).Connected })
	_, err = machine("b", 13, "serial-2")
	wantCode(t, err, protocol.Forbidden)
	if !c.node("alpha").Locked {
		t.Error("the copy got in while the first was away")
	}
	must(t, c.tun.Unlock(t.Context(), operator, "alpha"))
	_, err = machine("b", 14, "serial-2")
	must(t, err)
}

// TestControllerRestartIsANonEvent: the agent comes back by itself, sessions in rows are not believed.
func TestControllerRestartIsANonEvent(t *testing.T) {
	c := newCluster(t)
	m := c.enrolled("alpha")
	id := m.agent.Status().Node
	c.stop()
	eventually(t, 3*time.Second, "agent notices", func() bool { return !m.agent.Status().Connected })
	c.start()
	eventually(t, 5*time.Second, "no session of an earlier term is in the row", func() bool {
		n := c.node("alpha")
		return n.Session == nil || n.Session.Term == c.db.Term()
	})
	eventually(t, 15*time.Second, "agent is back", func() bool { return c.tun.Live(id).Connected })
	if went, came := c.happened("node.disconnected"), c.happened("node.connected"); went != 0 || came != 1 {
		t.Errorf("%d node.disconnected and %d node.connected events for a controller that went down", went, came)
	}
}

// TestF04FreezeIsNoticedOnBothSides: nothing passes any more and nobody closes anything; both ends give up within 10 s and meet again.
func TestF04FreezeIsNoticedOnBothSides(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 9 s")
	}
	c := newCluster(t)
	p := newProxy(t, c.addr)
	m := c.enrolled("alpha", func(o *agent.Options) { o.Controllers = []string{p.addr} })
	id := m.agent.Status().Node
	p.freeze(true)
	start := time.Now()
	eventually(t, 10*time.Second, "agent notices", func() bool { return !m.agent.Status().Connected })
	eventually(t, 10*time.Second-time.Since(start), "controller notices", func() bool { return !c.tun.Live(id).Connected })
	if _, err := c.tun.Runtime(id); err == nil || !strings.Contains(err.Error(), "alpha") || !strings.Contains(err.Error(), "last seen") {
		t.Errorf("Runtime says %v, want the name and the last contact", err)
	}
	p.freeze(false)
	eventually(t, 15*time.Second, "they meet again", func() bool { return c.tun.Live(id).Connected })
}

// TestF06Flapping: cuts again and again leave one session and no pile of streams or rows.
func TestF06Flapping(t *testing.T) {
	c := newCluster(t)
	p := newProxy(t, c.addr)
	m := c.enrolled("alpha", func(o *agent.Options) { o.Controllers, o.BackoffTo = []string{p.addr}, 20*time.Millisecond })
	id := m.agent.Status().Node
	for range 10 {
		before := c.tun.Live(id).Session
		p.cut()
		eventually(t, 10*time.Second, "a new session", func() bool { l := c.tun.Live(id); return l.Connected && l.Session != before })
	}
	if n := c.node("alpha"); n.Locked || c.happened("node.duplicate") != 0 {
		t.Errorf("flapping was taken for a duplicate: %+v", n)
	}
}

func TestF35VersionSkew(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	for version, code := range map[int]protocol.Code{protocol.Version: "", protocol.Version + 1: protocol.Invalid, protocol.Version - 2: protocol.Invalid, 0: protocol.Invalid} {
		call := s.session()
		req := greeting("run", int64(10+version))
		req.Facts.Protocol = version
		_, err := call.Hello(t.Context(), req)
		if code == "" {
			must(t, err)
			continue
		}
		wantCode(t, err, code)
	}
}

// TestF24StaleTerm: a controller that runs on an old copy of the state does not lead an agent that has seen a newer one.
func TestF24StaleTerm(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	req := greeting("run", 1)
	req.Term = c.db.Term() + 5
	for range 3 {
		_, err := s.session().Hello(t.Context(), req)
		wantCode(t, err, protocol.Stale)
		req.Generation++
	}
	if n := c.happened("node.term_ahead"); n != 1 {
		t.Errorf("%d node.term_ahead events, want one for all tries", n)
	}
	if c.tun.Live(s.node).Connected {
		t.Error("it leads all the same")
	}
	// And the agent's side: a Welcome of a lower term than it has seen is refused.
	m := c.enrolled("beta")
	term := c.db.Term()
	m.stop()
	j := openJournal(t, m.dir)
	must(t, j.SeeTerm(t.Context(), term+7))
	must(t, j.Close())
	back := again(t, m.dir)
	eventually(t, 5*time.Second, "agent refuses", func() bool { return strings.Contains(back.agent.Status().Problem, "old copy") })
}

// TestF09ClockSkew: an agent whose clock is off by an hour works, and the node shows it.
func TestF09ClockSkew(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	for i, off := range []time.Duration{time.Hour, time.Hour, 0, -time.Hour} {
		req := greeting("run", int64(i+1))
		req.Now = time.Now().Add(off)
		_, err := s.session().Hello(t.Context(), req)
		must(t, err)
		if got := time.Duration(c.node("alpha").ClockSkewMS) * time.Millisecond; (got - off).Abs() > 2*time.Second {
			t.Errorf("skew %s is shown, want %s", got, off)
		}
	}
	if n := c.happened("node.clock_skew"); n != 2 {
		t.Errorf("%d node.clock_skew events, want 2", n)
	}
}

func TestInventoryTravelsOnlyWhenItChanged(t *testing.T) {
	var taken atomic.Int64
	c := newCluster(t, func(o *tunnel.Options) {
		o.Inventory = func(tx store.Tx, _ string, _ []protocol.Observed) error {
			tx.AfterCommit(func() { taken.Add(1) })
			return nil
		}
	})
	m := c.enrolled("alpha")
	id := m.agent.Status().Node
	c.put(fleet.Server{ID: "srv_1", Name: "one", Node: id, Epoch: 4, Desired: fleet.Running})
	c.put(fleet.Server{ID: "srv_2", Name: "two", Node: "node_other", Epoch: 9, Desired: fleet.Running})
	hello := func() {
		m.stop()
		m = again(t, m.dir, func(o *agent.Options) { o.Runtime, o.Outdated = m.games, m.games.outdated })
		m.connected()
	}
	inventories := func(want int64) {
		t.Helper()
		eventually(t, 5*time.Second, "inventory", func() bool { return taken.Load() == want })
	}
	inventories(1)
	hello()
	inventories(1)
	m.games.mu.Lock()
	m.games.inventory = []protocol.Observed{{Server: "srv_1", Epoch: 3}, {Server: "srv_2", Epoch: 8}, {Server: "srv_unknown", Epoch: 1}}
	m.games.mu.Unlock()
	games := m.games
	m.stop()
	m = again(t, m.dir, func(o *agent.Options) { o.Runtime, o.Outdated = games, games.outdated })
	m.connected()
	inventories(2)
	m.stop()
	m = again(t, m.dir, func(o *agent.Options) { o.Runtime, o.Outdated = games, games.outdated })
	m.connected()
	inventories(2)
	games.mu.Lock()
	defer games.mu.Unlock()
	last := games.epochs[len(games.epochs)-1]
	if last["srv_1"] != 4 || last["srv_2"] != 9 {
		t.Errorf("epochs %v: the stale ones must be told also when the inventory did not travel", last)
	}
	if _, ok := last["srv_unknown"]; ok {
		t.Errorf("epochs %v name a server that is not known", last)
	}
}

// TestBulkIsSharedAndClosedWhenIdle: one connection however many exports, none when nobody wants it.
func TestBulkIsSharedAndClosedWhenIdle(t *testing.T) {
	c := newCluster(t, func(o *tunnel.Options) { o.BulkIdle = 200 * time.Millisecond })
	m := c.enrolled("alpha")
	m.stop()
	p := newProxy(t, c.addr)
	m = again(t, m.dir, func(o *agent.Options) { o.Controllers = []string{p.addr} })
	m.connected()
	m.games.export = 3 << 20
	con, err := c.tun.Console(m.agent.Status().Node)
	must(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var got bytes.Buffer
			if err := con.Export(t.Context(), protocol.ExportRequest{Server: "srv_1"}, &got); err != nil || got.Len() != 3<<20 {
				t.Errorf("export of %d bytes: %v", got.Len(), err)
			}
		})
	}
	wg.Wait()
	if n := p.count(); n != 2 {
		t.Errorf("%d connections were opened, want one for control and one for bulk", n)
	}
	eventually(t, 5*time.Second, "idle bulk is closed", func() bool { return c.tun.BulkOpen() == 0 })
	must(t, con.Export(t.Context(), protocol.ExportRequest{Server: "srv_1"}, io.Discard))
}

// TestBulkNeedsItsTicket: no ticket opens nothing, another node's ticket neither, and one ticket opens one connection.
func TestBulkNeedsItsTicket(t *testing.T) {
	c := newCluster(t)
	alpha, beta := c.joined("alpha"), c.joined("beta")
	for _, s := range []*stranger{alpha, beta} {
		_, err := s.session().hello("run", 1)
		must(t, err)
	}
	refused := func(s *stranger, ticket string) {
		t.Helper()
		conn, err := s.dial(protocol.ALPNBulk)
		must(t, err)
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, ticket)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the connection was not closed: %v", err)
		}
	}
	refused(alpha, strings.Repeat("x", 43))
	con, err := c.tun.Console(alpha.node)
	must(t, err)
	exported := make(chan error, 1)
	go func() { exported <- con.Export(context.Background(), protocol.ExportRequest{}, io.Discard) }()
	ticket := <-alpha.tickets
	refused(beta, ticket)
	conn, err := alpha.dial(protocol.ALPNBulk)
	must(t, err)
	_, err = io.WriteString(conn, ticket)
	must(t, err)
	eventually(t, 5*time.Second, "the rightful connection is taken", func() bool { return c.tun.BulkOpen() == 1 })
	refused(alpha, ticket)
	_ = conn.Close()
	if err := <-exported; err == nil {
		t.Error("an export over a connection that was cut succeeded")
	}
}

// TestForeignCertificate: a certificate of another CA that names a node of ours ends in the handshake.
func TestForeignCertificate(t *testing.T) {
	c, other := newCluster(t), newCluster(t)
	s := c.joined("alpha")
	forged := *s
	dir := t.TempDir()
	ca, err := tunnel.OpenAuthority(dir, c.ca.Cluster(), nil) // the same names, another key
	must(t, err)
	for name, ca := range map[string]*tunnel.Authority{"same names": ca, "other cluster": other.ca} {
		forged.cert, err = ca.IssueNode(s.node, s.key.Public(), time.Now(), time.Hour)
		must(t, err)
		for _, alpn := range []string{protocol.ALPNControl, protocol.ALPNBulk} {
			conn, err := forged.dial(alpn)
			if err == nil {
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, err = conn.Read(make([]byte, 1))
				_ = conn.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "tls") {
				t.Errorf("%s, %s: %v, want a TLS alert", name, alpn, err)
			}
		}
	}
}

// TestNoHelloNoSession: a certificate alone gives nothing; whoever does not say hello is cut and its calls are refused.
func TestNoHelloNoSession(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	call := s.session()
	_, err := call.Report(t.Context(), protocol.ReportBatch{})
	wantCode(t, err, protocol.Precondition)
	_, err = call.Renew(t.Context(), protocol.RenewRequest{CSR: s.csr()})
	wantCode(t, err, protocol.Precondition)
	if c.tun.Live(s.node).Connected {
		t.Error("it counts as connected")
	}
	bare := c.stranger()
	conn, err := bare.dial(protocol.ALPNControl) // the client's side of a TLS 1.3 handshake ends before the server has seen its certificate
	if err == nil {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without a certificate: %v", err)
	}
}
