package tunnel

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// Session is what a link needs of its connection; *rpc.Session is one.
type Session interface {
	Done() <-chan struct{}
	Err() error
	Close(reason error) error
}

// Wire stands for dialling, TLS, certificates and rpc, so that everything above them runs in one process and on virtual time.
type Wire struct {
	Node, Name, Cluster string
	Dial                func(ctx context.Context) (Line, error)
}

// Line is an open session with the controller's side of it.
type Line interface {
	Session
	protocol.Home
	// Serve begins to hand the controller's calls to this agent's facets, under ctx, which ends with the session. It checks the term
	// before each call, as rpc does, and returns at once.
	Serve(ctx context.Context, facets Served)
}

// Served is what an agent serves on a control session.
type Served struct {
	protocol.Runtime
	protocol.Console
	protocol.Host
}

// forEver is the life of a certificate that nobody looks at.
const forEver = 100 * 365 * 24 * time.Hour

func (w *Wire) identity() *identity {
	if w == nil {
		return nil
	}
	now := time.Now()
	return &identity{Node: w.Node, Name: w.Name, Cluster: w.Cluster, Controllers: []string{"wire"}, leaf: &x509.Certificate{NotBefore: now, NotAfter: now.Add(forEver)}}
}

func (a *Agent) overWire(ctx context.Context, addr string) error {
	served := Served{Runtime: a.opts.Runtime, Console: a.opts.Console, Host: host{Health: a.opts.Health, a: a}}
	return a.session(ctx, addr, func(l *link) error {
		line, err := a.opts.Wire.Dial(l.ctx)
		if err != nil {
			return err
		}
		l.s, l.home = line, line
		line.Serve(l.ctx, served)
		return nil
	})
}
