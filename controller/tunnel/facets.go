package tunnel

import (
	"context"
	"io"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

// Runtime gives a connected node's Runtime; kind unavailable, with the node's name and last contact, if it is not connected.
func (t *Tunnel) Runtime(node string) (protocol.Runtime, error) {
	f, err := t.remote(node)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Console gives a connected node's Console; errors as Runtime.
func (t *Tunnel) Console(node string) (protocol.Console, error) {
	f, err := t.remote(node)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Host gives a connected node's Host; errors as Runtime.
func (t *Tunnel) Host(node string) (protocol.Host, error) {
	f, err := t.remote(node)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// facets are all that an agent offers. What travels ppp-bulk is here and not in rpc.Remote, because only the one who
// borrows the bulk session can give it back.
type facets struct {
	remote
	p *peer
}

var (
	_ protocol.Runtime = facets{}
	_ protocol.Console = facets{}
	_ protocol.Host    = facets{}
)

// Export is protocol.Console's.
func (f facets) Export(ctx context.Context, req protocol.ExportRequest, w io.Writer) error {
	s, giveBack, err := f.p.t.borrowBulk(ctx, f.p)
	if err != nil {
		return err
	}
	defer giveBack()
	return rpc.CallRaw(ctx, s, protocol.ConsoleExport, req, w)
}

// Sample is protocol.Host's. It costs the agent next to nothing, so its time is the round trip's: this side sends no pings of its own.
func (f facets) Sample(ctx context.Context, req protocol.SampleRequest) (protocol.Sample, error) {
	start := time.Now()
	out, err := f.remote.Sample(ctx, req)
	if err == nil {
		took := time.Since(start)
		f.p.rtt.Store(int64(took))
		f.p.t.m.rtt.Observe(took.Seconds())
	}
	return out, err
}

func (t *Tunnel) remote(node string) (facets, error) {
	p, err := t.peerOf(node)
	if err != nil {
		return facets{}, err
	}
	return p.facets(), nil
}

// authorize is asked before every method that agents call. Reports are checked object by object in their own transaction
// (mayTell), because one foreign fact must not stop those behind it.
func (t *Tunnel) authorize(ctx context.Context, row protocol.Row, objects []protocol.Object) error {
	p, err := peerFrom(ctx)
	if err != nil {
		return err
	}
	switch row.ID {
	case protocol.HomeHello.ID:
		return nil
	case protocol.HomeReport.ID:
		_, err := t.inside(ctx)
		return err
	default:
		if _, err := t.inside(ctx); err != nil {
			return err
		}
		for _, o := range objects {
			if o.Kind != "node" || o.ID != p.node {
				return fault.New(fault.NotFound, "there is no such "+o.Kind, "")
			}
		}
		return nil
	}
}
