package tunnel

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

const renewRetry = 5 * time.Minute

// RenewNow renews the certificate without waiting for its time, and learns the controller's present CAs. It waits for a session.
func (a *Agent) RenewNow(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case a.asked <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renew gets a new certificate over this session and gives the time to the next renewal.
func (l *link) renew() (next time.Duration, err error) {
	a := l.a
	if err = l.renewOnce(); err == nil {
		a.m.renewals.Inc()
		return renewIn(a.identity().leaf, a.now(), rand.Float64()), nil
	}
	if l.s.Err() == nil {
		a.log.WarnContext(l.ctx, "the certificate was not renewed, will try again", "error", err, "until", a.identity().leaf.NotAfter)
	}
	return renewRetry/2 + time.Duration(rand.Int64N(int64(renewRetry))), err
}

func (l *link) renewOnce() error {
	a := l.a
	ident := a.identity()
	csr, err := request(ident.key, ident.Name)
	if err != nil {
		return err
	}
	reply, err := l.home.Renew(l.ctx, protocol.RenewRequest{CSR: csr})
	if err != nil {
		return err
	}
	next, err := ident.take(papers{reply.Cert, reply.CA}, ident.Pins)
	if err != nil {
		return err
	}
	if err := a.setIdentity(next); err != nil {
		return err
	}
	a.setClock(reply.Now)
	a.log.InfoContext(l.ctx, "certificate renewed", "until", next.leaf.NotAfter, "cas", len(next.CA))
	return nil
}
