package tunnel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

func observed(server string, epoch, seq int64, state protocol.State) protocol.Report {
	return protocol.Report{
		Boot: "boot-1", Run: "run", Seq: seq, At: time.Now().UTC(),
		Fact: protocol.Fact{Observed: &protocol.Observed{Server: server, Epoch: epoch, State: state, Since: time.Unix(seq, 0).UTC()}},
	}
}

func reports(list ...protocol.Report) protocol.ReportBatch {
	return protocol.ReportBatch{Reports: list}
}

// TestReportsAreTakenOnceAndInOrder: duplicates are acknowledged and change nothing, a gap is asked for again.
func TestReportsAreTakenOnceAndInOrder(t *testing.T) {
	var mu sync.Mutex
	var taken []int64
	c := newCluster(t, func(o *tunnel.Options) {
		o.Fact = func(tx store.Tx, _ string, r protocol.Report) error {
			tx.AfterCommit(func() {
				mu.Lock()
				defer mu.Unlock()
				taken = append(taken, r.Seq)
			})
			return nil
		}
	})
	s := c.joined("alpha")
	c.put(fleet.Server{ID: "srv_1", Name: "one", Node: s.node, Epoch: 1, Desired: fleet.Running})
	call := s.session()
	w, err := call.hello("run", 1)
	must(t, err)
	if w.AckSeq != 0 {
		t.Fatalf("AckSeq %d", w.AckSeq)
	}
	r := func(seqs ...int64) protocol.ReportBatch {
		var b protocol.ReportBatch
		for _, q := range seqs {
			b.Reports = append(b.Reports, observed("srv_1", 1, q, protocol.StateRunning))
		}
		return b
	}
	for i, step := range []struct {
		send protocol.ReportBatch
		ack  protocol.Ack
	}{
		{r(1, 2), protocol.Ack{Seq: 2}},
		{r(1, 2), protocol.Ack{Seq: 2}},
		{r(2, 3), protocol.Ack{Seq: 3}},
		{r(5), protocol.Ack{Seq: 3, Resend: true}},
		{r(4, 6), protocol.Ack{Seq: 4, Resend: true}},
		{r(), protocol.Ack{Seq: 4}},
		{r(5, 5, 6), protocol.Ack{Seq: 5, Resend: true}},
		{r(6), protocol.Ack{Seq: 6}},
	} {
		got, err := call.Report(t.Context(), step.send)
		must(t, err)
		if got.Seq != step.ack.Seq || got.Resend != step.ack.Resend {
			t.Errorf("step %d: ack %+v, want %+v", i, got, step.ack)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !reflect.DeepEqual(taken, []int64{1, 2, 3, 4, 5, 6}) {
		t.Errorf("taken %v", taken)
	}
	if n := c.node("alpha"); n.AckSeq != 6 || n.AckRun != "run" {
		t.Errorf("row has %d, %q", n.AckSeq, n.AckRun)
	}
}

// TestReportsFailTogetherOrAreDropped: an error of the store takes nothing, a report that can never be taken holds nobody up.
func TestReportsFailTogetherOrAreDropped(t *testing.T) {
	var broken error
	c := newCluster(t, func(o *tunnel.Options) {
		o.Fact = func(_ store.Tx, _ string, r protocol.Report) error {
			if r.Seq == 2 {
				return broken
			}
			return nil
		}
	})
	s := c.joined("alpha")
	call := s.session()
	_, err := call.hello("run", 1)
	must(t, err)
	batch := reports(image(1), image(2), image(3))
	broken = fault.New(fault.ReadOnly, "the disk is full", "make room")
	_, err = call.Report(t.Context(), batch)
	wantCode(t, err, protocol.ReadOnly)
	if n := c.node("alpha").AckSeq; n != 0 {
		t.Fatalf("%d acknowledged", n)
	}
	broken = fault.New(fault.Invalid, "nonsense", "none")
	ack, err := call.Report(t.Context(), batch)
	must(t, err)
	if ack.Seq != 3 {
		t.Fatalf("ack %+v", ack)
	}
}

func image(seq int64) protocol.Report {
	return protocol.Report{Seq: seq, Run: "run", Fact: protocol.Fact{Image: &protocol.ImageFact{Image: "x"}}}
}

// TestS08ForeignObjects: node A calls every method of the table with every object of node B. The calls are made from the table:
// a method that is added is tried too. Nothing of B changes, and A is not stuck.
func TestS08ForeignObjects(t *testing.T) {
	var c *cluster
	c = newCluster(t, func(o *tunnel.Options) {
		o.Fact = func(tx store.Tx, node string, r protocol.Report) error {
			for _, x := range protocol.HomeReport.Objects(reports(r)) {
				if x.ID != "srv_a" {
					t.Errorf("a fact of %q reached the fleet", x.ID)
				}
			}
			return fleet.Fact(tx, c.events, node, r, time.Now())
		}
	})
	a, b := c.joined("node-a"), c.joined("node-b")
	c.put(fleet.Server{ID: "srv_a", Name: "a", Node: a.node, Epoch: 5, Desired: fleet.Running, Spec: protocol.Spec{Server: "srv_a"}})
	c.put(fleet.Server{ID: "srv_b", Name: "b", Node: b.node, Epoch: 5, Desired: fleet.Running, Spec: protocol.Spec{Server: "srv_b"},
		Observed: protocol.Observed{Server: "srv_b", Epoch: 5, State: protocol.StateRunning}, Players: []string{"bob"}})
	c.put(fleet.Server{ID: "srv_free", Name: "free", Epoch: 2, Desired: fleet.Stopped})
	call := a.session()
	_, err := call.hello("run", 1)
	must(t, err)
	wall := func() string { return c.snapshot("srv_b", "srv_free", b.node) }
	before := wall()
	seq := int64(0)
	rows := 0
	for _, row := range protocol.All() {
		if row.Caller == protocol.ByController {
			continue
		}
		rows++
		if !row.Authorized {
			t.Errorf("%s has no authorizer", row.Name)
		}
	}
	if rows < 5 {
		t.Fatalf("only %d methods of agents in the table", rows)
	}
	rapid.Check(t, func(rt *rapid.T) {
		row := rapid.SampledFrom(protocol.All()).Draw(rt, "method")
		object := rapid.SampledFrom([]string{"srv_b", "srv_free", "srv_nowhere", b.node, "", "../srv_b"}).Draw(rt, "object")
		epoch := rapid.Int64Range(0, 9).Draw(rt, "epoch")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		switch row.ID {
		case protocol.HomeReport.ID:
			fact := foreign(rapid.IntRange(0, 2).Draw(rt, "fact"), object, epoch)
			seq++
			ack, err := call.Report(ctx, reports(protocol.Report{Seq: seq, Run: "run", Fact: fact}))
			if err != nil || ack.Seq != seq {
				rt.Fatalf("report %d: %+v, %v", seq, ack, err)
			}
		case protocol.HomeHello.ID:
			req := greeting("run", 1)
			req.NextSeq = seq + 1
			req.InventoryHash = "x"
			req.Inventory = []protocol.Observed{*foreign(0, object, epoch).Observed}
			_, _ = call.Hello(ctx, req)
		case protocol.HomeRenew.ID:
			_, err := call.Renew(ctx, protocol.RenewRequest{CSR: b.csr()})
			if protocol.CodeOf(err) != protocol.Unauthorized {
				rt.Fatalf("renewed with the other's key: %v", err)
			}
		case protocol.DoorRecover.ID:
			liar := *a
			liar.node = b.node
			if _, err := liar.recover(); protocol.CodeOf(err) != protocol.Unauthorized {
				rt.Fatalf("recovered as the other: %v", err)
			}
		default: // the controller's own methods, and the stranger's, over a session
			if err := anyCall(ctx, call.Session, row, object); err == nil {
				rt.Fatalf("%s was served to an agent", row.Name)
			}
		}
	})
	if after := wall(); after != before {
		t.Errorf("state of others changed:\n%s\n→\n%s", before, after)
	}
	seq++
	ack, err := call.Report(t.Context(), reports(observed("srv_a", 5, seq, protocol.StateRunning)))
	must(t, err)
	if s := c.server("srv_a"); ack.Seq != seq || s.Observed.State != protocol.StateRunning {
		t.Errorf("its own server: ack %+v, state %q", ack, s.Observed.State)
	}
}

func foreign(kind int, server string, epoch int64) protocol.Fact {
	switch kind {
	case 0:
		return protocol.Fact{Observed: &protocol.Observed{Server: server, Epoch: epoch, State: protocol.StateCrashed, Since: time.Now()}}
	case 1:
		return protocol.Fact{Player: &protocol.PlayerFact{Server: server, Epoch: epoch, Name: "eve", Joined: true}}
	default:
		return protocol.Fact{Removed: &protocol.RemovedFact{Server: server, Epoch: epoch}}
	}
}

// anyCall makes a call of a row with a request in which every text field is object.
func anyCall(ctx context.Context, s *rpc.Session, row protocol.Row, object string) error {
	req := row.NewRequest()
	v := reflect.ValueOf(req).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString(object)
		}
	}
	text, err := json.Marshal(req)
	if err != nil {
		return err
	}
	raw := protocol.Method[json.RawMessage, json.RawMessage]{ID: row.ID, Name: row.Name, Caller: row.Caller, Shape: protocol.Unary}
	_, err = rpc.Call(ctx, s, raw, json.RawMessage(text))
	return err
}

// snapshot is everything the store has of some servers and a node, as text.
func (c *cluster) snapshot(a, b, node string) string {
	var out string
	must(c.t, c.db.View(context.Background(), func(tx store.Tx) error {
		out = ""
		for _, id := range []string{a, b} {
			s, err := fleet.Servers.Get(tx, id)
			if err != nil {
				return err
			}
			out += fmt.Sprintf("%+v\n", s)
		}
		n, err := fleet.Nodes.Get(tx, node)
		out += fmt.Sprintf("%+v\n", n)
		return err
	}))
	page, _, err := c.events.Query(context.Background(), event.Filter{Types: []string{"server.*", "player.*"}})
	must(c.t, err)
	for _, e := range page {
		if e.Server == a || e.Server == b {
			out += e.Type + "\n"
		}
	}
	return out
}

// TestReportsReachTheControllerThroughRestarts: a real journal, a controller that goes away in between, every fact exactly once and in order.
func TestReportsReachTheControllerThroughRestarts(t *testing.T) {
	var mu sync.Mutex
	var taken []int64
	c := newCluster(t, func(o *tunnel.Options) {
		o.Fact = func(tx store.Tx, _ string, r protocol.Report) error {
			tx.AfterCommit(func() {
				mu.Lock()
				defer mu.Unlock()
				taken = append(taken, r.Seq)
			})
			return nil
		}
	})
	m := c.enrolled("alpha")
	total := int64(0)
	for range 4 {
		for range 300 {
			must(t, m.journal.Append(t.Context(), protocol.Fact{Image: &protocol.ImageFact{Image: "x"}}))
			total++
		}
		c.stop()
		must(t, m.journal.Append(t.Context(), protocol.Fact{Image: &protocol.ImageFact{Image: "y"}}))
		total++
		c.start()
	}
	eventually(t, 30*time.Second, "all are acknowledged", func() bool { return m.journal.Waiting() == 0 })
	mu.Lock()
	defer mu.Unlock()
	if int64(len(taken)) != total {
		t.Fatalf("%d reports were taken, want %d", len(taken), total)
	}
	for i, q := range taken {
		if q != int64(i)+1 {
			t.Fatalf("report %d came at place %d", q, i)
		}
	}
}

// TestF25OldBackup: the controller has forgotten reports that the agent was told to forget; it says so and goes on.
func TestF25OldBackup(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	call := s.session()
	req := greeting("run", 1)
	req.NextSeq = 101
	w, err := call.Hello(t.Context(), req)
	must(t, err)
	if w.AckSeq != 100 || c.happened("node.reports_lost") != 1 {
		t.Fatalf("AckSeq %d", w.AckSeq)
	}
	ack, err := call.Report(t.Context(), reports(image(101)))
	must(t, err)
	if ack.Seq != 101 || ack.Resend {
		t.Errorf("ack %+v", ack)
	}
}

// TestHostileTextsStopNothing: bytes that the store cannot hold come in facts, reports and inventories.
func TestHostileTextsStopNothing(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	c.put(fleet.Server{ID: "srv_a", Name: "a", Node: s.node, Epoch: 1, Desired: fleet.Running, Spec: protocol.Spec{Server: "srv_a"}})
	call := s.session()
	req := greeting("run\x00", 1)
	req.Facts.Hostname, req.Facts.Degraded = "a\x00b\xff", []string{"x\x00"}
	if _, err := call.Hello(t.Context(), req); err != nil && protocol.CodeOf(err) != protocol.Invalid {
		t.Fatalf("hello: %v", err)
	}
	other := s.session()
	_, err := other.hello("run-2", 2)
	must(t, err)
	bad := observed("srv_a", 1, 1, protocol.StateRunning)
	bad.Run, bad.Fact.Observed.Progress = "r\x00", "50 %\x00"
	ack, err := other.Report(t.Context(), reports(bad, observed("srv_a", 1, 2, protocol.StateStopped)))
	must(t, err)
	if ack.Seq != 2 || c.server("srv_a").Observed.State != protocol.StateStopped {
		t.Errorf("ack %+v, state %q", ack, c.server("srv_a").Observed.State)
	}
}

// TestStoreHasNoSecrets: neither a token nor a private key is anywhere in the store file.
func TestStoreHasNoSecrets(t *testing.T) {
	c := newCluster(t)
	tok := c.token("alpha")
	_, err := c.stranger().join(tok.Secret)
	must(t, err)
	c.stop()
	for _, word := range []string{tok.Secret, "PRIVATE KEY"} {
		if contains(t, filepath.Join(c.dir, "store.db"), word) {
			t.Errorf("%q is in the store", word)
		}
	}
}
