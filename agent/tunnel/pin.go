package tunnel

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// clockGrace is how wrong this machine's clock may be against the controller's certificate.
const clockGrace = 24 * time.Hour

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// checkChain says whether the other side is our controller: its leaf must be signed, for server use, by a CA whose key is
// pinned and which it sent along; and its name must be the cluster's id, where that is known. A certificate that the whole
// world trusts means nothing here.
func checkChain(certs []*x509.Certificate, pins []string, cluster string, now time.Time) error {
	if len(certs) == 0 {
		return errors.New("the controller showed no certificate")
	}
	leaf, roots := certs[0], x509.NewCertPool()
	found := false
	for _, c := range certs[1:] {
		if c.IsCA && slices.Contains(pins, pinOf(c)) {
			roots.AddCert(c)
			found = true
		}
	}
	if !found {
		return protocol.Faultf(protocol.Forbidden,
			"check --controller and --ca-pin against the output of: controller node token create; if both are right, someone stands in between",
			"the controller's CA is not the pinned one")
	}
	at, err := clockFor(leaf, now)
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: cluster, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return protocol.Faultf(protocol.Forbidden, "check that --controller leads to the controller of this cluster", "the controller's certificate does not fit: %v", err)
	}
	return nil
}

// clockFor forgives a clock that is off by less than a day: the pin is what counts, and an hour must not cut a machine off.
func clockFor(leaf *x509.Certificate, now time.Time) (time.Time, error) {
	const next = "set this machine's clock (timedatectl set-ntp true) and start the agent again"
	switch {
	case now.Before(leaf.NotBefore.Add(-clockGrace)):
		return now, protocol.Faultf(protocol.Invalid, next, "this machine's clock says %s, long before the controller's certificate begins (%s)", stamp(now), stamp(leaf.NotBefore))
	case now.After(leaf.NotAfter.Add(clockGrace)):
		return now, protocol.Faultf(protocol.Invalid, next, "this machine's clock says %s, long after the controller's certificate ended (%s)", stamp(now), stamp(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return leaf.NotBefore, nil
	case now.After(leaf.NotAfter):
		return leaf.NotAfter, nil
	default:
		return now, nil
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// resumable lets a connection begin with the ticket of an earlier one, so that 10,000 agents that come back at once do not keep the
// controller busy with their certificates. A ticket is worth as much as the certificate it was given for, and is forgotten with it.
func (i *identity) resumable(cfg *tls.Config) *tls.Config {
	cfg.ClientSessionCache = i.tickets
	return cfg
}

// tlsConfig trusts pins and nothing else.
func tlsConfig(alpn string, pins []string, cluster string, certs ...tls.Certificate) *tls.Config {
	return &tls.Config{
		NextProtos: []string{alpn}, Certificates: certs, ServerName: cluster,
		InsecureSkipVerify: true, //nolint:gosec // the chain is checked below against the pins, which is stricter than any root store
		VerifyConnection: func(cs tls.ConnectionState) error {
			if cs.NegotiatedProtocol != alpn {
				return fmt.Errorf("the other side does not speak %s", alpn)
			}
			return checkChain(cs.PeerCertificates, pins, cluster, time.Now())
		},
	}
}
