package tunnel

import (
	"context"
	"net/netip"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// session is what this room needs of a control connection; *rpc.Session is one.
type session interface {
	Done() <-chan struct{}
	Err() error
	LastHeard() time.Time
	GoAway()
	Close(reason error) error
}

// remote are the agent's facets at the other end; *rpc.Remote is one.
type remote interface {
	protocol.Runtime
	protocol.Console
	protocol.Host
}

// Line is a control connection that came another way than TLS and rpc: a simulation cuts here. Nothing proves who is at its other end.
type Line interface {
	session
	remote
}

// Receive takes a line of a node and gives what the agent calls over it. ctx is the life of the line: it must end before Serve returns.
func (t *Tunnel) Receive(ctx context.Context, node string, from netip.Addr, line Line) protocol.Home {
	p := &peer{t: t, node: node, remote: from, session: line, agent: line}
	p.refused = t.db.View(ctx, func(tx store.Tx) error {
		n, err := fleet.Nodes.Get(tx, node)
		if err != nil {
			return err
		}
		return barred(n)
	})
	t.keep(ctx, p, func(ctx context.Context) error {
		select {
		case <-line.Done():
		case <-ctx.Done():
			_ = line.Close(ctx.Err())
		}
		return line.Err()
	})
	return lineHome{home{t}, p}
}

// lineHome puts before each call what rpc does: who calls, and whether he may.
type lineHome struct {
	home
	p *peer
}

func (h lineHome) admit(ctx context.Context, row protocol.Row, objects []protocol.Object) (context.Context, error) {
	ctx = withPeer(ctx, h.p)
	return ctx, h.t.authorize(ctx, row, objects)
}

// Hello is protocol.Home's.
func (h lineHome) Hello(ctx context.Context, req protocol.Hello) (protocol.Welcome, error) {
	ctx, err := h.admit(ctx, protocol.HomeHello.Row(), protocol.HomeHello.Objects(req))
	if err != nil {
		return protocol.Welcome{}, err
	}
	return h.home.Hello(ctx, req)
}

// Report is protocol.Home's.
func (h lineHome) Report(ctx context.Context, req protocol.ReportBatch) (protocol.Ack, error) {
	ctx, err := h.admit(ctx, protocol.HomeReport.Row(), protocol.HomeReport.Objects(req))
	if err != nil {
		return protocol.Ack{}, err
	}
	return h.home.Report(ctx, req)
}

// Renew is protocol.Home's.
func (h lineHome) Renew(ctx context.Context, req protocol.RenewRequest) (protocol.RenewReply, error) {
	ctx, err := h.admit(ctx, protocol.HomeRenew.Row(), protocol.HomeRenew.Objects(req))
	if err != nil {
		return protocol.RenewReply{}, err
	}
	return h.home.Renew(ctx, req)
}
