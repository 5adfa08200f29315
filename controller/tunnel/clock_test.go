package tunnel

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"
)

// TestF09CertificatesAreBackdated: what is issued now is good on machines whose clock is up to five minutes behind, and after the
// controller's own clock was set back.
func TestF09CertificatesAreBackdated(t *testing.T) {
	a, err := OpenAuthority(t.TempDir(), "cluster-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := func(der []byte, at time.Time, use x509.ExtKeyUsage) bool {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cert.Verify(x509.VerifyOptions{Roots: a.clientPool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use}})
		return err == nil
	}
	opened := time.Now() // the CA itself is as old as this
	for _, moved := range []time.Duration{0, 30 * 24 * time.Hour, 24 * time.Hour, 23*time.Hour + 54*time.Minute, time.Hour} {
		now := opened.Add(moved) // forward, and back again
		node, err := a.issueNode("node_1", key.Public(), now, nodeLife)
		if err != nil {
			t.Fatal(err)
		}
		server, err := a.serverCert(now)
		if err != nil {
			t.Fatal(err)
		}
		for behind, want := range map[time.Duration]bool{0: true, 5*time.Minute - 2*time.Second: true, 5*time.Minute + 2*time.Second: false} {
			at := now.Add(-behind)
			if got := good(node, at, x509.ExtKeyUsageClientAuth); got != want {
				t.Errorf("clock at %s: a node's certificate is good %s before: %v", moved, behind, got)
			}
			if got := good(server.Certificate[0], at, x509.ExtKeyUsageServerAuth); got != want && behind == 0 {
				t.Errorf("clock at %s: the controller's certificate is good: %v", moved, got)
			}
		}
	}
}
