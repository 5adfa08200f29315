package tunnel

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/rpc"
)

const (
	recoverLabel = "EXPORTER-payperplay-recover"
	recoverText  = "ppp-recover\x00"
	exchangeTime = 30 * time.Second
)

// enrol joins with the token, trying until a controller answers. An answer that another try cannot change is returned.
func (a *Agent) enrol(ctx context.Context) error {
	if err := a.mayJoin(); err != nil {
		return err
	}
	key, err := makeKey(a.opts.Data)
	if err != nil {
		return err
	}
	said := ""
	for failures := 1; ; failures++ {
		var hard error
		for _, addr := range a.opts.Controllers {
			err = a.joinAt(ctx, addr, key)
			if err == nil {
				a.opts.Token = "" // it is of no more use, and not to be found in this process
				return nil
			}
			if joinFate(err) == fatal && hard == nil {
				hard = err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if hard != nil {
			return hard
		}
		if text := err.Error(); text != said {
			said = text
			a.log.WarnContext(ctx, "cannot join yet, will try again", "error", err)
			a.setStatus(func(s *Status) { s.Problem = text })
		}
		if !wait(ctx, backoff(failures, a.opts.BackoffTo, mrand.Float64())) {
			return ctx.Err()
		}
	}
}

func (a *Agent) mayJoin() error {
	const how = "make a token with: controller node token create --name NAME, and run the command that it prints"
	switch {
	case a.opts.Token == "":
		return protocol.Faultf(protocol.Invalid, how, "this machine is not enrolled and no --token was given")
	case !strings.HasPrefix(a.opts.Token, "ppj_"):
		return protocol.Faultf(protocol.Invalid, how, "what was given with --token is not a join token: those begin with ppj_")
	case len(a.opts.Controllers) == 0:
		return protocol.Faultf(protocol.Invalid, how, "no --controller was given")
	case len(a.opts.Pins) == 0:
		return protocol.Faultf(protocol.Invalid, how, "no --ca-pin was given: without it any machine could pose as the controller")
	default:
		return nil
	}
}

// joinAt trades the token for an identity at one controller.
func (a *Agent) joinAt(ctx context.Context, addr string, key crypto.Signer) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	facts := a.facts()
	csr, err := request(key, facts.Name)
	if err != nil {
		return err
	}
	conn, err := a.dial(ctx, addr, tlsConfig(protocol.ALPNJoin, a.opts.Pins, ""))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	reply, err := rpc.ExchangeClient(ctx, conn, protocol.DoorJoin, protocol.JoinRequest{Token: a.opts.Token, CSR: csr, Facts: facts})
	if err != nil {
		return err
	}
	if err := failpoint.Hit("agent.tunnel.join.after"); err != nil {
		return err
	}
	blank := &identity{
		Node: reply.Node, Name: reply.Name, Cluster: reply.Cluster, key: key,
		Controllers: slices.Clone(a.opts.Controllers), FlagPins: slices.Clone(a.opts.Pins),
	}
	next, err := blank.take(papers{reply.Cert, reply.CA}, a.opts.Pins)
	if err != nil {
		return err
	}
	if err := a.setIdentity(next); err != nil {
		return err
	}
	a.setClock(reply.Now)
	a.setStatus(func(s *Status) {
		*s = Status{Enrolled: true, Node: next.Node, Name: next.Name, Cluster: next.Cluster}
	})
	a.log.InfoContext(ctx, "this machine is enrolled", "node", next.Node, "name", next.Name, "cluster", next.Cluster)
	if a.opts.Joined != nil {
		a.opts.Joined(next.Name)
	}
	return nil
}

// recover gets a new certificate by a proof of the key, after the old one has expired.
func (a *Agent) recover(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	ident := a.identity()
	csr, err := request(ident.key, ident.Name)
	if err != nil {
		return err
	}
	conn, err := a.dial(ctx, addr, tlsConfig(protocol.ALPNJoin, ident.Pins, ident.Cluster))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	state := conn.ConnectionState()
	value, err := state.ExportKeyingMaterial(recoverLabel, nil, 32)
	if err != nil {
		return err
	}
	signature, err := prove(ident.key, append([]byte(recoverText+ident.Node+"\x00"), value...))
	if err != nil {
		return err
	}
	reply, err := rpc.ExchangeClient(ctx, conn, protocol.DoorRecover, protocol.RecoverRequest{Node: ident.Node, CSR: csr, Signature: signature})
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
	a.log.InfoContext(ctx, "got a new certificate by the node's key", "node", next.Node, "until", next.leaf.NotAfter)
	return nil
}

// prove signs text with the bound key.
func prove(key crypto.Signer, text []byte) ([]byte, error) {
	if _, ok := key.Public().(*ecdsa.PublicKey); ok {
		sum := sha256.Sum256(text)
		return key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	return key.Sign(rand.Reader, text, crypto.Hash(0))
}

func (a *Agent) facts() protocol.NodeFacts {
	f := a.opts.Facts()
	f.Protocol = protocol.Version
	return f
}

func (a *Agent) setClock(said time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clock.set(said, time.Now())
}

// now is the controller's time, as well as it is known.
func (a *Agent) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.clock.now(time.Now())
}
