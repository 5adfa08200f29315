package tunnel

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/plant"
)

// maxBatch bounds one call's reports, and so the time one transaction takes.
const maxBatch = 512

// intake is the result of one batch.
type intake struct {
	ack                     protocol.Ack
	taken, foreign, dropped int
	dup                     int
}

// Report takes reports in: each once, in order, in one transaction with what they change and with the acknowledgement.
func (h home) Report(ctx context.Context, b protocol.ReportBatch) (protocol.Ack, error) {
	if err := failpoint.Hit("tunnel.report.before"); err != nil {
		return protocol.Ack{}, err
	}
	p, err := h.t.inside(ctx)
	if err != nil {
		return protocol.Ack{}, err
	}
	if len(b.Reports) > maxBatch {
		return protocol.Ack{}, fault.New(fault.Invalid, "too many reports at once", "send at most 512")
	}
	var in intake
	err = h.t.batch.do(ctx, func(tx store.Tx) error {
		var err error
		in, err = h.t.take(tx, p, b.Reports)
		return err
	})
	if n := len(b.Reports); err != nil && n > 0 && plant.On(plant.ReportAckedUnkept) {
		return protocol.Ack{Seq: b.Reports[n-1].Seq}, nil
	}
	if err != nil {
		return protocol.Ack{}, err
	}
	if in.taken+in.foreign+in.dropped > 0 {
		in.ack.Mark = h.t.ca.stamp(p.node, mark{h.t.db.Term(), in.ack.Seq, time.Now()})
	}
	h.t.count(ctx, p, in)
	if in.taken > 0 {
		h.t.opts.OnChange(p.node)
	}
	return in.ack, failpoint.Hit("tunnel.report.after")
}

// inside gives the session of a call that only an admitted and present one may make.
func (t *Tunnel) inside(ctx context.Context) (*peer, error) {
	p, err := peerFrom(ctx)
	if err != nil {
		return nil, err
	}
	if p.refused != nil {
		return nil, p.refused
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[p.node]; n == nil || n.current != p {
		return nil, fault.New(fault.Precondition, "this session is not the node's present one", "say hello first")
	}
	return p, nil
}

// fresh picks what is new of a batch after acked; gap tells that something before it is missing. Pure.
func fresh(acked int64, reports []protocol.Report) (take []protocol.Report, dup int, gap bool) {
	next := acked + 1
	for i, r := range reports {
		switch {
		case r.Seq < next && len(take) == 0:
			dup++
		case r.Seq == next:
			take = reports[i-len(take) : i+1]
			next++
		default:
			return take, dup, true
		}
	}
	return take, dup, false
}

// take runs in the batch's transaction; it may run twice.
func (t *Tunnel) take(tx store.Tx, p *peer, reports []protocol.Report) (intake, error) {
	n, err := fleet.Nodes.Get(tx, p.node)
	if err != nil {
		return intake{}, err
	}
	if err := barred(n); err != nil {
		return intake{}, err
	}
	if len(reports) > 0 && plant.On(plant.ReportCountedTwice) {
		n.AckSeq = min(n.AckSeq, reports[0].Seq-1)
	}
	todo, dup, gap := fresh(n.AckSeq, reports)
	in := intake{dup: dup, ack: protocol.Ack{Seq: n.AckSeq, Resend: gap}}
	for _, r := range todo {
		mine, err := t.mayTell(tx, p.node, r)
		if err != nil {
			return in, err
		}
		in.ack.Seq = r.Seq
		if !mine {
			if _, err := fleet.Notice(tx, p.node, r, time.Now()); err != nil {
				return in, err
			}
			in.foreign++
			continue
		}
		if err := t.opts.Fact(tx, p.node, r); err != nil {
			if !final(err) {
				return in, err
			}
			in.dropped++
			continue
		}
		in.taken++
	}
	if len(todo) == 0 {
		return in, nil
	}
	// Fact may have written the node's row: read it again.
	if n, err = fleet.Nodes.Get(tx, p.node); err != nil {
		return in, err
	}
	n.AckSeq, n.AckRun = in.ack.Seq, clip(todo[len(todo)-1].Run, 128)
	return in, fleet.Nodes.Put(tx, n)
}

// final: the same report would fail the same way for ever. It is acknowledged so that those behind it get through.
func final(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Stale, fault.Conflict, fault.Precondition:
		// Kinds of the store that speak of the machine, not of the report.
		return !errors.Is(err, store.ErrStaleTerm)
	default:
		return false
	}
}

// mayTell is the authorizer of report objects: a server must be assigned to the node that speaks of it, at that epoch or an older one.
func (t *Tunnel) mayTell(tx store.Tx, node string, r protocol.Report) (bool, error) {
	for _, o := range protocol.HomeReport.Objects(protocol.ReportBatch{Reports: []protocol.Report{r}}) {
		s, err := fleet.Servers.Get(tx, o.ID)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if s.Node != node || o.Epoch > s.Epoch {
			return false, nil
		}
	}
	return true, nil
}

func (t *Tunnel) count(ctx context.Context, p *peer, in intake) {
	add := func(result string, n int) {
		if n > 0 {
			t.m.reports.WithLabelValues(result).Add(float64(n))
		}
	}
	add("taken", in.taken)
	add("duplicate", in.dup)
	add("foreign", in.foreign)
	add("dropped", in.dropped)
	if in.ack.Resend {
		add("gap", 1)
	}
	if in.foreign > 0 || in.dropped > 0 {
		t.log.WarnContext(ctx, "reports were not taken", "node", p.node, "foreign", in.foreign, "dropped", in.dropped, "up_to", in.ack.Seq)
	}
}
