package tunnel_test

import (
	"crypto/tls"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// comeBack connects once more and tells whether the certificates were skipped and what the Hello was answered.
func (s *stranger) comeBack(generation int64) (resumed bool, err error) {
	s.t.Helper()
	conn, err := s.dial(protocol.ALPNControl)
	must(s.t, err)
	resumed = conn.ConnectionState().DidResume
	_, err = s.sessionOn(conn).hello("run", generation)
	return resumed, err
}

// ticketed is a node that holds a ticket: it was connected once.
func ticketed(t *testing.T, c *cluster, name string) *stranger {
	t.Helper()
	s := c.joined(name)
	s.cache = tls.NewLRUClientSessionCache(1)
	if resumed, err := s.comeBack(1); resumed || err != nil {
		t.Fatalf("first session: resumed %t, %v", resumed, err)
	}
	if resumed, err := s.comeBack(2); !resumed || err != nil {
		t.Fatalf("second session: resumed %t, %v", resumed, err)
	}
	return s
}

// TestTicketsOutliveTheController: a node that comes back after a restart of the controller skips the certificates (F33).
func TestTicketsOutliveTheController(t *testing.T) {
	c := newCluster(t)
	s := ticketed(t, c, "n")
	c.stop()
	c.start()
	if resumed, err := s.comeBack(3); !resumed || err != nil {
		t.Fatalf("after a restart: resumed %t, %v", resumed, err)
	}
}

// TestF27ATicketIsNoWayIn: who may come in is asked of the node's row at each Hello, however the connection began.
func TestF27ATicketIsNoWayIn(t *testing.T) {
	c := newCluster(t)
	s := ticketed(t, c, "revoked")
	must(t, c.tun.Revoke(t.Context(), operator, "revoked"))
	if resumed, err := s.comeBack(3); !resumed || protocol.CodeOf(err) != protocol.Unauthorized {
		t.Fatalf("a revoked node with a ticket: resumed %t, %v", resumed, err)
	}
}

// TestATicketEndsWithItsCertificate: a ticket is worth no more than the certificate it was given for.
func TestATicketEndsWithItsCertificate(t *testing.T) {
	c := newCluster(t)
	s := c.joined("n")
	s.cache = tls.NewLRUClientSessionCache(1)
	begin := time.Now()
	var err error
	s.cert, err = c.ca.IssueNode(s.node, s.key.Public(), begin.Add(-time.Minute), time.Minute+3*time.Second)
	must(t, err)
	if _, err := s.comeBack(1); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(begin.Add(3100 * time.Millisecond))) // certificates count whole seconds of the real clock
	if resumed, err := s.comeBack(2); resumed || protocol.CodeOf(err) != protocol.Precondition {
		t.Fatalf("a ticket of an expired certificate: resumed %t, %v", resumed, err)
	}
}

// TestTicketsEndWithTheirCA: after a rotation everybody shows a certificate again.
func TestTicketsEndWithTheirCA(t *testing.T) {
	c := newCluster(t)
	s := ticketed(t, c, "n")
	_, err := c.ca.Prepare()
	must(t, err)
	must(t, c.ca.Activate())
	if resumed, err := s.comeBack(3); resumed || err != nil {
		t.Fatalf("after the new CA signs: resumed %t, %v", resumed, err)
	}
	if resumed, err := s.comeBack(4); !resumed || err != nil {
		t.Fatalf("and once more: resumed %t, %v", resumed, err)
	}
}

// TestATicketEndsWithTheCAOfItsCertificate: a ticket that the new CA's key sealed holds a certificate of the old one, and is worth no more than that.
func TestATicketEndsWithTheCAOfItsCertificate(t *testing.T) {
	c := newCluster(t)
	s := ticketed(t, c, "n")
	_, err := c.ca.Prepare()
	must(t, err)
	must(t, c.ca.Activate())
	for generation := int64(3); generation < 5; generation++ { // the first brings the ticket
		if resumed, err := s.comeBack(generation); resumed != (generation == 4) || err != nil {
			t.Fatalf("session %d after the new CA signs: resumed %t, %v", generation, resumed, err)
		}
	}
	must(t, c.ca.Retire())
	conn, err := s.dial(protocol.ALPNControl)
	if err != nil {
		return // refused in the handshake
	}
	defer conn.Close()
	must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a ticket with a certificate of a CA that is gone: %d bytes, %v", n, err)
	}
}
