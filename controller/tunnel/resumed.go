package tunnel

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
)

// admits says whether the certificate of a connection is a node's: of one that began anew, or of one that came back with a ticket.
func (a *Authority) admits(cs tls.ConnectionState) error {
	if cs.DidResume && len(cs.PeerCertificates) > 0 && a.counts(cs.PeerCertificates[0]) {
		_, err := nodeOf(cs.PeerCertificates[0], a.cluster)
		return err
	}
	return a.verifyNode(cs.PeerCertificates)
}

// counts tells whether the CA that a certificate names is one of ours now. It is enough of a certificate that came out of a ticket: verifyNode
// saw it before the ticket was given, and who could forge a ticket has the key that signs certificates. A signature
// costs the controller 0.1 ms of CPU, and 10,000 agents come back at once.
func (a *Authority) counts(cert *x509.Certificate) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ca := range a.trusted {
		if len(ca.SubjectKeyId) > 0 && bytes.Equal(ca.SubjectKeyId, cert.AuthorityKeyId) && bytes.Equal(ca.RawSubject, cert.RawIssuer) {
			return true
		}
	}
	return false
}
