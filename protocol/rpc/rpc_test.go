package rpc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/protocol"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		runChild(mode)
	}
	goleak.VerifyTestMain(m)
}

// testTLS makes the two ends' configurations, with a certificate made in memory.
func testTLS(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"cluster"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	server = TuneTLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	client = TuneTLS(&tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ServerName: "cluster"})
	return server, client
}

// tlsPair gives the ends of one TLS connection over loopback.
func tlsPair(t testing.TB) (agent, controller *tls.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return tlsPairVia(t, l, l.Addr().String())
}

// tlsPairVia dials addr, which must lead to l.
func tlsPairVia(t testing.TB, l net.Listener, addr string) (agent, controller *tls.Conn) {
	t.Helper()
	sc, cc := testTLS(t)
	type accepted struct {
		c   *tls.Conn
		err error
	}
	ch := make(chan accepted, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			ch <- accepted{nil, err}
			return
		}
		c := tls.Server(Wire(raw), sc)
		ch <- accepted{c, c.Handshake()}
	}()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	agent = tls.Client(Wire(raw), cc)
	if err := agent.Handshake(); err != nil {
		t.Fatal(err)
	}
	a := <-ch
	if a.err != nil {
		t.Fatal(a.err)
	}
	t.Cleanup(func() { _, _ = raw.Close(), a.c.NetConn().Close() })
	return agent, a.c
}

// pair makes two sessions on one TLS connection; each serves its mux if it has one.
func pair(t testing.TB, agentMux, controllerMux *Mux, tune func(agent, controller *Options)) (agent, controller *Session) {
	t.Helper()
	a, c := tlsPair(t)
	return sessions(t, a, c, agentMux, controllerMux, tune)
}

func sessions(t testing.TB, a, c net.Conn, agentMux, controllerMux *Mux, tune func(agent, controller *Options)) (agent, controller *Session) {
	t.Helper()
	ao, co := Options{Client: true, Heartbeat: DefaultHeartbeat}, Options{}
	if tune != nil {
		tune(&ao, &co)
	}
	agent, err := NewSession(a, ao)
	if err != nil {
		t.Fatal(err)
	}
	controller, err = NewSession(c, co)
	if err != nil {
		t.Fatal(err)
	}
	serve := func(s *Session, m *Mux) {
		if m == nil {
			m = NewMux(nil)
		}
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Serve(context.Background(), m) }()
		t.Cleanup(func() { _ = s.Close(nil); <-done })
	}
	serve(agent, agentMux)
	serve(controller, controllerMux)
	return agent, controller
}

func allow(context.Context, protocol.Row, []protocol.Object) error { return nil }

func echoMux() *Mux {
	m := NewMux(allow)
	Handle(m, protocol.ConsoleCommand, func(_ context.Context, r protocol.CommandRequest) (protocol.CommandReply, error) {
		return protocol.CommandReply{Output: r.Command, Via: "rcon"}, nil
	})
	return m
}

func TestCall(t *testing.T) {
	_, controller := pair(t, echoMux(), nil, nil)
	for range 100 {
		got, err := Call(t.Context(), controller, protocol.ConsoleCommand, protocol.CommandRequest{Command: "say <hi> & bye"})
		if err != nil || got.Output != "say <hi> & bye" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}
