package tunnel_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	agent "github.com/payperplay/payperplay/agent/tunnel"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

func TestEnrolledAgentIsConnectedAndKnown(t *testing.T) {
	c := newCluster(t)
	m := c.enrolled("alpha")
	n := c.node("alpha")
	st := m.agent.Status()
	if n.ID != st.Node || n.Class != fleet.Local || n.Session == nil || n.Facts.MemoryBytes != 8<<30 || n.JoinedBy != operator {
		t.Fatalf("node row %+v, agent %+v", n, st)
	}
	if c.happened("node.joined") != 1 || c.happened("node.connected") != 1 {
		t.Fatal("joined and connected must each be one event")
	}
	host, err := c.tun.Host(n.ID)
	must(t, err)
	reply, err := host.Check(t.Context(), protocol.CheckRequest{})
	if err != nil || !reply.OK {
		t.Fatalf("check through the tunnel: %+v, %v", reply, err)
	}
	for _, f := range []string{"node.key", "identity.json"} {
		info, err := os.Stat(filepath.Join(m.dir, f))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", f, info.Mode().Perm())
		}
	}
	text, err := os.ReadFile(filepath.Join(m.dir, "identity.json"))
	must(t, err)
	if strings.Contains(string(text), "ppj_") {
		t.Error("the token was kept on disk")
	}
}

// TestF26TokenParallelUse: 100 strangers use one token at once; exactly one becomes a node.
func TestF26TokenParallelUse(t *testing.T) {
	c := newCluster(t)
	tok := c.token("alpha")
	var wg sync.WaitGroup
	errs := make([]error, 100)
	for i := range errs {
		s := c.stranger()
		wg.Go(func() { _, errs[i] = s.join(tok.Secret) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantCode(t, err, protocol.Unauthorized)
	}
	if won != 1 {
		t.Fatalf("%d of 100 won, want 1", won)
	}
	if n := c.happened("node.join_refused"); n != 99 {
		t.Errorf("%d refusals were logged, want 99", n)
	}
	if n := c.happened("node.joined"); n != 1 {
		t.Errorf("%d joins were logged, want 1", n)
	}
}

func TestF26TokenRefusals(t *testing.T) {
	c := newCluster(t)
	expired := c.token("old")
	must(t, c.tun.ExpireToken(t.Context(), expired.Secret))
	used := c.token("used")
	_, err := c.stranger().join(used.Secret)
	must(t, err)
	bound := func(f func(*tunnel.TokenRequest)) string { return c.token("bound", f).Secret }
	for name, try := range map[string]struct {
		token  string
		change func(*protocol.JoinRequest)
		says   string
	}{
		"unknown": {"ppj_nonsense", nil, "not known"},
		"empty":   {"", nil, "not known"},
		"expired": {expired.Secret, nil, "expired"},
		"reused":  {used.Secret, nil, "used already"},
		"name":    {c.token("right").Secret, func(r *protocol.JoinRequest) { r.Facts.Name = "wrong" }, "another node name"},
		"machine": {bound(func(r *tunnel.TokenRequest) { r.MachineID = "other" }), nil, "another machine"},
		"address": {bound(func(r *tunnel.TokenRequest) { r.Address = "203.0.113.7" }), nil, "this address"},
		"roles":   {bound(func(r *tunnel.TokenRequest) { r.Roles = []string{"edge"} }), nil, "role"},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.stranger()
			_, err := s.join(try.token, func(r *protocol.JoinRequest) {
				if try.change != nil {
					try.change(r)
				}
			})
			wantCode(t, err, protocol.Unauthorized)
			if !strings.Contains(err.Error(), try.says) {
				t.Errorf("%q does not say %q", err, try.says)
			}
		})
	}
	// A refused try with the wrong binding does not burn the token for its rightful user.
	tok := c.token("mine", func(r *tunnel.TokenRequest) { r.MachineID = "m-1" })
	_, err = c.stranger().join(tok.Secret, func(r *protocol.JoinRequest) { r.Facts.MachineID = "thief" })
	wantCode(t, err, protocol.Unauthorized)
	_, err = c.stranger().join(tok.Secret)
	must(t, err)
}

// TestJoinReplyLost: the winner may ask again with the same key, and stays one node.
func TestJoinReplyLost(t *testing.T) {
	c := newCluster(t)
	tok := c.token("alpha")
	s := c.stranger()
	first, err := s.join(tok.Secret)
	must(t, err)
	second, err := s.join(tok.Secret)
	must(t, err)
	if first.Node != second.Node || c.happened("node.joined") != 1 {
		t.Fatalf("nodes %s and %s", first.Node, second.Node)
	}
}

func TestJoinRefusesBadRequests(t *testing.T) {
	c := newCluster(t)
	tok := c.token("alpha")
	big, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	must(t, err)
	other, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, big)
	must(t, err)
	for name, change := range map[string]func(*protocol.JoinRequest){
		"no csr":      func(r *protocol.JoinRequest) { r.CSR = nil },
		"other key":   func(r *protocol.JoinRequest) { r.CSR = other },
		"tampered":    func(r *protocol.JoinRequest) { r.CSR[len(r.CSR)-1] ^= 1 },
		"new version": func(r *protocol.JoinRequest) { r.Facts.Protocol = protocol.Version + 1 },
		"bad role":    func(r *protocol.JoinRequest) { r.Facts.Roles = []string{"king"} },
		"bad ports":   func(r *protocol.JoinRequest) { r.Facts.PortFrom, r.Facts.PortTo = 9, 3 },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.stranger().join(tok.Secret, change)
			wantCode(t, err, protocol.Invalid)
		})
	}
	_, err = c.stranger().join(tok.Secret) // none of them used it up
	must(t, err)
	_, err = c.tun.CreateToken(t.Context(), operator, tunnel.TokenRequest{Name: "alpha"})
	wantCode(t, err, protocol.Conflict)
	for _, name := range []string{"", "Upper", "a b", "-a", strings.Repeat("x", 64)} {
		_, err := c.tun.CreateToken(t.Context(), operator, tunnel.TokenRequest{Name: name})
		wantCode(t, err, protocol.Invalid)
	}
}

// TestS16WrongPin: a controller whose CA is not the pinned one is refused before the token is shown.
func TestS16WrongPin(t *testing.T) {
	c, other := newCluster(t), newCluster(t)
	tok := c.token("alpha")
	m := newMachine(t, "", func(o *agent.Options) {
		o.Controllers, o.Pins, o.Token = []string{c.addr}, other.ca.Pins(), tok.Secret
	})
	select {
	case err := <-m.result:
		wantCode(t, err, protocol.Forbidden)
		if !strings.Contains(err.Error(), "pinned") {
			t.Errorf("%q does not speak of the pin", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the agent did not give up")
	}
	if c.happened("node.join_refused")+c.happened("node.joined") != 0 {
		t.Error("the token was shown")
	}
}

// TestS16PubliclyValidCertificate: a certificate for the right name that the system trusts, of a CA that is not pinned, is refused.
func TestS16PubliclyValidCertificate(t *testing.T) {
	c := newCluster(t)
	m := c.enrolled("alpha")
	m.stop()
	c.stop()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: c.ca.Cluster()}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	ca, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, caKey.Public(), caKey)
	must(t, err)
	caCert, err := x509.ParseCertificate(ca)
	must(t, err)
	file := filepath.Join(t.TempDir(), "roots.pem")
	must(t, os.WriteFile(file, pemCert(ca), 0o600))
	t.Setenv("SSL_CERT_FILE", file) // now the whole "world" trusts it
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{c.ca.Cluster()}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, caCert, leafKey.Public(), caKey)
	must(t, err)
	// The pinned CA is public: an impostor can send it along too.
	chains := map[string][][]byte{"alone": {leaf, ca}, "with our CA beside it": append([][]byte{leaf, ca}, c.ca.Roots()...)}
	for name, chain := range chains {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer func() { _ = ln.Close() }()
			got := make(chan error, 100)
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					srv := tls.Server(conn, &tls.Config{
						NextProtos: []string{protocol.ALPNControl}, ClientAuth: tls.RequestClientCert,
						Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: leafKey}},
					})
					got <- srv.Handshake()
					_ = conn.Close()
				}
			})
			m := again(t, m.dir, func(o *agent.Options) { o.Controllers = []string{ln.Addr().String()} })
			select {
			case err := <-got:
				if err == nil {
					t.Error("the handshake went through")
				}
			case <-time.After(10 * time.Second):
				t.Error("nobody dialled")
			}
			eventually(t, 10*time.Second, "the agent says why", func() bool { return m.agent.Status().Problem != "" })
			if st := m.agent.Status(); st.Connected {
				t.Errorf("connected to the impostor: %+v", st)
			}
			m.stop()
			_ = ln.Close()
			wg.Wait()
		})
	}
}

func TestAgentSaysWhatIsMissing(t *testing.T) {
	c := newCluster(t)
	tok := c.token("alpha")
	for name, change := range map[string]func(*agent.Options){
		"no token":      func(o *agent.Options) { o.Token = "" },
		"not a token":   func(o *agent.Options) { o.Token = "hello" },
		"no controller": func(o *agent.Options) { o.Controllers = nil },
		"no pin":        func(o *agent.Options) { o.Pins = nil },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, "", func(o *agent.Options) {
				o.Controllers, o.Pins, o.Token = []string{c.addr}, tok.Pins, tok.Secret
				change(o)
			})
			select {
			case err := <-m.result:
				wantCode(t, err, protocol.Invalid)
			case <-time.After(5 * time.Second):
				t.Fatal("the agent did not give up")
			}
		})
	}
}

// TestF37RecoverAfterWeeksOffline: the certificate has ended; the bound key brings the node back, three times and no more.
func TestF37RecoverAfterWeeksOffline(t *testing.T) {
	c := newCluster(t)
	m := c.enrolled("alpha")
	m.stop()
	for i := 1; i <= 3; i++ {
		spoil(t, c, m.dir)
		m := again(t, m.dir)
		m.connected()
		m.stop()
		if n := c.node("alpha"); n.Recoveries != i {
			t.Fatalf("%d recoveries are counted, want %d", n.Recoveries, i)
		}
	}
	spoil(t, c, m.dir)
	last := again(t, m.dir)
	eventually(t, 10*time.Second, "refusal", func() bool { return strings.Contains(last.agent.Status().Problem, "allow") })
	if last.agent.Status().Connected {
		t.Fatal("came back a fourth time without an operator")
	}
	must(t, c.tun.AllowRecovery(t.Context(), operator, "alpha"))
	last.stop()
	final := again(t, m.dir)
	final.connected()
	if n := c.happened("node.recovered"); n != 4 {
		t.Errorf("%d node.recovered events, want 4", n)
	}
}

// spoil gives an agent's directory a certificate of two months ago that has ended (not before this test's CA began).
func spoil(t *testing.T, c *cluster, dir string) {
	t.Helper()
	file := filepath.Join(dir, "identity.json")
	text, err := os.ReadFile(file)
	must(t, err)
	ident := map[string]any{}
	must(t, json.Unmarshal(text, &ident))
	keyText, err := os.ReadFile(filepath.Join(dir, "node.key"))
	must(t, err)
	block, _ := pem.Decode(keyText)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	ident["cert"], err = c.ca.IssueNode(ident["node"].(string), key.(crypto.Signer).Public(), time.Now().Add(-60*24*time.Hour), 60*24*time.Hour-time.Minute)
	must(t, err)
	text, err = json.Marshal(ident)
	must(t, err)
	must(t, os.WriteFile(file, text, 0o600))
}

// TestRecoverNeedsTheBoundKey: another key, another connection's proof and another node's id get the same answer.
func TestRecoverNeedsTheBoundKey(t *testing.T) {
	c := newCluster(t)
	victim, thief := c.joined("victim"), c.joined("thief")
	thief.node = victim.node
	_, err := thief.recover()
	wantCode(t, err, protocol.Unauthorized)
	replay := *victim
	replay.prove = func([]byte) []byte { return victim.proof(make([]byte, 32)) } // a proof over another connection's exporter value
	_, err = replay.recover()
	wantCode(t, err, protocol.Unauthorized)
	_, err = victim.recover()
	must(t, err)
	must(t, c.tun.Revoke(t.Context(), operator, "victim"))
	_, err = victim.recover()
	wantCode(t, err, protocol.Unauthorized)
}

// TestF38TwoAuthorities: a running agent learns the second CA by renewal, and lives through activation and retirement.
func TestF38TwoAuthorities(t *testing.T) {
	c := newCluster(t)
	m := c.enrolled("alpha")
	old := c.ca.Pin()
	fresh, err := c.ca.Prepare()
	must(t, err)
	if c.ca.Pin() != old {
		t.Fatal("the new CA signs already")
	}
	must(t, m.agent.RenewNow(t.Context()))
	must(t, c.ca.Activate())
	if c.ca.Pin() != fresh {
		t.Fatal("the new CA does not sign")
	}
	c.stop()
	c.start()
	eventually(t, 15*time.Second, "back under the new CA", func() bool { return c.tun.Live(m.agent.Status().Node).Connected })
	must(t, m.agent.RenewNow(t.Context()))
	must(t, c.ca.Retire())
	c.stop()
	c.start()
	eventually(t, 15*time.Second, "back after the old CA went", func() bool { return c.tun.Live(m.agent.Status().Node).Connected })
	must(t, m.agent.RenewNow(t.Context()))
	if pins := c.ca.Pins(); len(pins) != 1 || pins[0] != fresh {
		t.Fatalf("pins %v, want only %s", pins, fresh)
	}
	m.stop()
	// The same command line as on the first day, with the pin of the CA that is gone: it must not be trusted again.
	back := again(t, m.dir, func(o *agent.Options) { o.Controllers, o.Pins = []string{c.addr}, []string{old} })
	back.connected()
	if data, err := os.ReadFile(filepath.Join(m.dir, "identity.json")); err != nil || strings.Contains(pinsOf(string(data)), old) {
		t.Errorf("the retired pin is trusted again (%v)", err)
	}
}

func pinsOf(identity string) string {
	_, rest, _ := strings.Cut(identity, `"pins"`)
	list, _, _ := strings.Cut(rest, "]")
	return list
}

// TestRenewalOnlyForTheBoundKey: a session cannot get a certificate for another key.
func TestRenewalOnlyForTheBoundKey(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	call := s.session()
	_, err := call.hello("run-1", 1)
	must(t, err)
	reply, err := call.Renew(t.Context(), protocol.RenewRequest{CSR: s.csr()})
	must(t, err)
	leaf, err := x509.ParseCertificate(reply.Cert)
	must(t, err)
	if life := time.Until(leaf.NotAfter); life < 23*time.Hour || life > 24*time.Hour || len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("certificate %v lives %v", leaf.ExtKeyUsage, life)
	}
	_, err = call.Renew(t.Context(), protocol.RenewRequest{CSR: c.stranger().csr()})
	wantCode(t, err, protocol.Unauthorized)
}

func TestSealedAuthority(t *testing.T) {
	dir := t.TempDir()
	plain, err := tunnel.OpenAuthority(dir, "cluster-1", nil)
	must(t, err)
	_, err = tunnel.OpenAuthority(dir, "cluster-1", []byte("secret")) // seals what was plain
	must(t, err)
	key, err := os.ReadFile(filepath.Join(dir, "ca-1.key"))
	must(t, err)
	if !strings.Contains(string(key), "SEALED") {
		t.Fatal("the key was not sealed")
	}
	_, err = tunnel.OpenAuthority(dir, "cluster-1", nil)
	wantCode(t, err, protocol.Invalid)
	_, err = tunnel.OpenAuthority(dir, "cluster-1", []byte("wrong"))
	wantCode(t, err, protocol.Invalid)
	again, err := tunnel.OpenAuthority(dir, "cluster-1", []byte("secret"))
	must(t, err)
	if again.Pin() != plain.Pin() {
		t.Error("another CA")
	}
	_, err = tunnel.OpenAuthority(dir, "cluster-2", []byte("secret"))
	wantCode(t, err, protocol.Conflict)
	must(t, os.WriteFile(filepath.Join(dir, "ca-1.crt"), []byte("x"), 0o600))
	_, err = tunnel.OpenAuthority(dir, "cluster-1", []byte("secret"))
	wantCode(t, err, protocol.Unavailable)
	_, err = tunnel.Passphrase(func(k string) string {
		return map[string]string{"PAYPERPLAY_CA_PASSPHRASE_FILE": filepath.Join(dir, "nothing")}[k]
	})
	wantCode(t, err, protocol.Invalid)
}

// TestStrangersAreBounded: an address that keeps failing is shut out; the others are not held up.
func TestStrangersAreBounded(t *testing.T) {
	c := newCluster(t)
	for range 300 {
		_, _ = c.stranger().join("ppj_wrong")
	}
	_, err := c.stranger().join("ppj_wrong")
	if err == nil || protocol.CodeOf(err) == protocol.Unauthorized {
		t.Fatalf("still served: %v", err)
	}
}

// TestF33SlowStrangersHoldNothing: connections that stall in the handshake do not keep an agent out.
func TestF33SlowStrangersHoldNothing(t *testing.T) {
	c := newCluster(t)
	for range 200 {
		conn, err := net.Dial("tcp", c.addr)
		must(t, err)
		defer func() { _ = conn.Close() }()
		_, err = conn.Write([]byte{22, 3, 1}) // the beginning of a handshake that never goes on
		must(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	start := time.Now()
	_, err := c.stranger().join(c.token("alpha").Secret)
	must(t, err)
	if ctx.Err() != nil {
		t.Errorf("it took %s", time.Since(start))
	}
}
