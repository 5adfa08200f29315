package tunnel

import (
	"context"
	"encoding/json"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

const (
	batchCount = 256
	batchBytes = 512 << 10 // a call's message may have 1 MiB
	pushTime   = 30 * time.Second
)

// rebaser is a journal that can give its waiting reports new numbers, for one that is younger than what the controller has of it.
type rebaser interface {
	Rebase(ctx context.Context, after int64) error
}

// marker is a journal that keeps, with what was acknowledged, the controller's mark for it.
type marker interface {
	Mark() []byte
	AckMarked(ctx context.Context, seq int64, mark []byte) error
}

// acknowledged forgets reports up to seq, and keeps the mark.
func (l *link) acknowledged(ctx context.Context, seq int64, mark []byte) error {
	if m, ok := l.a.opts.Reports.(marker); ok && len(mark) > 0 {
		return m.AckMarked(ctx, seq, mark)
	}
	return l.a.opts.Reports.Ack(ctx, seq)
}

// known takes the controller's word for what it has. A number that was never given here means that this journal was lost or
// restored: reports must go on after it, or they would be taken for old ones.
func (l *link) known(ctx context.Context, ack int64, mark []byte) error {
	r := l.a.opts.Reports
	if next := r.NextSeq() + r.Waiting(); ack >= next {
		j, ok := r.(rebaser)
		if !ok {
			l.a.log.ErrorContext(ctx, "the journal is older than what the controller knows of it; reports up to there will not count", "controller_has", ack, "next", next)
			return nil
		}
		if err := j.Rebase(ctx, ack); err != nil {
			return err
		}
	}
	return l.acknowledged(ctx, ack, mark)
}

// push sends what waits after sent, batch by batch, until nothing is left; it gives what the controller has then.
func (l *link) push(sent int64) (int64, error) {
	r := l.a.opts.Reports
	sent = max(sent, r.NextSeq()-1)
	for {
		batch, err := r.Next(l.ctx, sent, batchCount)
		if err != nil {
			return sent, err
		}
		if batch = fit(batch); len(batch) == 0 {
			return sent, nil
		}
		if batch[0].Seq != sent+1 {
			// A new Hello tells the controller where this journal begins.
			return sent, protocol.Faultf(protocol.Unavailable, "the session is opened anew", "report %d is wanted and %d is the first there is", sent+1, batch[0].Seq)
		}
		ack, err := l.deliver(batch)
		if err != nil {
			return sent, err
		}
		last := batch[len(batch)-1].Seq
		if ack.Seq > last || ack.Seq < sent && !ack.Resend {
			return sent, protocol.Faultf(protocol.Unavailable, "the session is opened anew", "the controller acknowledged report %d of %d to %d", ack.Seq, batch[0].Seq, last)
		}
		if ack.Seq <= sent && !ack.Resend {
			return sent, nil
		}
		if err := l.acknowledged(l.ctx, ack.Seq, ack.Mark); err != nil {
			return sent, err
		}
		l.a.m.reports.Add(float64(max(0, ack.Seq-sent)))
		sent = ack.Seq
	}
}

// deliver makes one call; it is tried again while the session lives and the controller is only in trouble.
func (l *link) deliver(batch []protocol.Report) (protocol.Ack, error) {
	for failures := 1; ; failures++ {
		ctx, cancel := context.WithTimeout(l.ctx, pushTime)
		err := failpoint.Hit("agent.tunnel.report.before")
		var ack protocol.Ack
		if err == nil {
			ack, err = l.home.Report(ctx, protocol.ReportBatch{Reports: batch})
		}
		cancel()
		if err == nil {
			return ack, failpoint.Hit("agent.tunnel.report.after")
		}
		if l.s.Err() != nil || l.ctx.Err() != nil || fateOf(err) != again {
			return ack, err
		}
		l.a.log.WarnContext(l.ctx, "reports were not taken, will try again", "error", err, "first", batch[0].Seq, "count", len(batch))
		select {
		case <-time.After(backoff(failures+2, l.a.opts.BackoffTo, 1)):
		case <-l.s.Done():
			return ack, l.s.Err()
		}
	}
}

// fit cuts a batch to what one message may hold. A report that alone is too large loses the lines of its crash.
func fit(batch []protocol.Report) []protocol.Report {
	total := 0
	for i := range batch {
		n := size(batch[i])
		if n > batchBytes {
			batch[i] = shrink(batch[i])
			n = size(batch[i])
		}
		if total += n; total > batchBytes && i > 0 {
			return batch[:i]
		}
	}
	return batch
}

func size(r protocol.Report) int {
	text, err := json.Marshal(r)
	if err != nil {
		return 0 // the call will say so
	}
	return len(text)
}

func shrink(r protocol.Report) protocol.Report {
	if r.Fact.Observed == nil {
		return r
	}
	o := *r.Fact.Observed
	if o.Exit != nil {
		e := *o.Exit
		e.LastLine = nil
		o.Exit = &e
	}
	r.Fact.Observed = &o
	return r
}
