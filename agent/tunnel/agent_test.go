package tunnel

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFateOf(t *testing.T) {
	f := func(c protocol.Code) error { return fmt.Errorf("wrapped: %w", protocol.Faultf(c, "next", "why")) }
	for name, c := range map[string]struct {
		err  error
		want fate
	}{
		"revoked":                  {turnedAway{f(protocol.Unauthorized)}, parked},
		"revoked while reporting":  {f(protocol.Unauthorized), parked},
		"locked":                   {turnedAway{f(protocol.Forbidden)}, slowly},
		"wrong version":            {turnedAway{f(protocol.Invalid)}, slowly},
		"old term":                 {turnedAway{f(protocol.Stale)}, slowly},
		"expired":                  {turnedAway{f(protocol.Precondition)}, renewed},
		"replaced while reporting": {f(protocol.Precondition), again},
		"away":                     {f(protocol.Unavailable), again},
		"their disk is full":       {turnedAway{f(protocol.ReadOnly)}, again},
		"bug":                      {errors.New("x"), again},
		"timeout":                  {context.DeadlineExceeded, again},
		"goodbye":                  {&dismissed{protocol.GoodbyeRequest{Retry: true}}, again},
		"goodbye for ever":         {&dismissed{protocol.GoodbyeRequest{Retry: false}}, parked},
	} {
		if got := fateOf(c.err); got != c.want {
			t.Errorf("%s: fate %d, want %d", name, got, c.want)
		}
	}
}

// TestF06BackoffIsFullJitter: every wait is within its window, windows double and stop at the cap.
func TestF06BackoffIsFullJitter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 1000).Draw(rt, "failures")
		r := rapid.Float64Range(0, 0.999999).Draw(rt, "r")
		const most = 10 * time.Second
		if d := backoff(n, most, r); d < 0 || d > most {
			rt.Fatalf("wait %s after %d failures", d, n)
		}
	})
	for n, want := range map[int]time.Duration{1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 5: 4 * time.Second, 7: 10 * time.Second, 100: 10 * time.Second} {
		if got := backoff(n, 10*time.Second, 1); got != want {
			t.Errorf("window after %d failures is %s, want %s", n, got, want)
		}
	}
}

// TestF09RenewalFollowsTheControllersClock: the local clock is an hour off in either direction and jumps; the renewal comes at two thirds.
func TestF09RenewalFollowsTheControllersClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, off := range []time.Duration{0, time.Hour, -time.Hour, 1000 * time.Hour} {
			server := func() time.Time { return time.Now().Add(off) } // how far the controller is ahead of this machine
			leaf := &x509.Certificate{NotBefore: server().Add(-5 * time.Minute), NotAfter: server().Add(24 * time.Hour)}
			var c clock
			if got := c.now(time.Now()); !got.Equal(time.Now()) {
				t.Fatalf("without word from the controller: %s", got)
			}
			c.set(server(), time.Now())
			wait := renewIn(leaf, c.now(time.Now()), 0)
			if wait < 15*time.Hour+50*time.Minute || wait > 16*time.Hour+5*time.Minute {
				t.Errorf("off by %s: renewal in %s, want about 16 h", off, wait)
			}
			time.Sleep(wait)
			if again := renewIn(leaf, c.now(time.Now()), 0); again != 0 {
				t.Errorf("off by %s: due again in %s after the wait", off, again)
			}
			if early := renewIn(leaf, server().Add(-time.Hour), 0.999); early >= 16*time.Hour {
				t.Errorf("spread: %s", early)
			}
		}
	})
}

type testCA struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newCA(t *testing.T) testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "c"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(1000 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return testCA{key, cert}
}

func (ca testCA) leaf(t *testing.T, name string, use x509.ExtKeyUsage, from, to time.Time, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	if key == nil {
		var err error
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, key.Public(), ca.key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestS16CheckChain(t *testing.T) {
	ours, theirs := newCA(t), newCA(t)
	now := time.Now()
	from, to := now.Add(-time.Hour), now.Add(time.Hour)
	server := x509.ExtKeyUsageServerAuth
	good := ours.leaf(t, "cluster-1", server, from, to, nil)
	pins := []string{pinOf(ours.cert)}
	for name, c := range map[string]struct {
		chain   []*x509.Certificate
		pins    []string
		cluster string
		now     time.Time
		ok      bool
	}{
		"good":                       {[]*x509.Certificate{good, ours.cert}, pins, "cluster-1", now, true},
		"before join":                {[]*x509.Certificate{good, ours.cert}, pins, "", now, true},
		"second pin":                 {[]*x509.Certificate{good, ours.cert}, []string{pinOf(theirs.cert), pins[0]}, "cluster-1", now, true},
		"nothing":                    {nil, pins, "cluster-1", now, false},
		"no pin":                     {[]*x509.Certificate{good, ours.cert}, nil, "cluster-1", now, false},
		"other CA":                   {[]*x509.Certificate{theirs.leaf(t, "cluster-1", server, from, to, nil), theirs.cert}, pins, "cluster-1", now, false},
		"other CA with ours beside":  {[]*x509.Certificate{theirs.leaf(t, "cluster-1", server, from, to, nil), theirs.cert, ours.cert}, pins, "cluster-1", now, false},
		"CA left out":                {[]*x509.Certificate{good}, pins, "cluster-1", now, false},
		"the CA as leaf":             {[]*x509.Certificate{ours.cert, ours.cert}, pins, "cluster-1", now, false},
		"pin of a leaf":              {[]*x509.Certificate{good, good}, []string{pinOf(good)}, "cluster-1", now, false},
		"other cluster":              {[]*x509.Certificate{ours.leaf(t, "cluster-2", server, from, to, nil), ours.cert}, pins, "cluster-1", now, false},
		"a node poses as controller": {[]*x509.Certificate{ours.leaf(t, "cluster-1", x509.ExtKeyUsageClientAuth, from, to, nil), ours.cert}, pins, "cluster-1", now, false},
		"clock an hour behind":       {[]*x509.Certificate{good, ours.cert}, pins, "cluster-1", now.Add(-2 * time.Hour), true},
		"clock an hour ahead":        {[]*x509.Certificate{good, ours.cert}, pins, "cluster-1", now.Add(2 * time.Hour), true},
		"clock in another year":      {[]*x509.Certificate{good, ours.cert}, pins, "cluster-1", now.Add(-8000 * time.Hour), false},
		"certificate ended long ago": {[]*x509.Certificate{good, ours.cert}, pins, "cluster-1", now.Add(80 * time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkChain(c.chain, c.pins, c.cluster, c.now)
			if (err == nil) != c.ok {
				t.Fatalf("got %v, want ok %v", err, c.ok)
			}
			var f *protocol.Fault
			if errors.As(err, &f) && f.Next == "" {
				t.Errorf("%v has no next step", err)
			}
		})
	}
	err := checkChain([]*x509.Certificate{good, ours.cert}, pins, "cluster-1", now.Add(-8000*time.Hour))
	if err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("%v does not speak of the clock", err)
	}
}

func newIdentity(t *testing.T, ca testCA) (*identity, string) {
	t.Helper()
	dir := t.TempDir()
	key, err := makeKey(dir)
	must(t, err)
	i := &identity{Node: "node_1", Name: "alpha", Cluster: "c", key: key, FlagPins: []string{pinOf(ca.cert)}, Controllers: []string{"a:1"}}
	cert := ca.leaf(t, "x", x509.ExtKeyUsageClientAuth, time.Now(), time.Now().Add(time.Hour), key.(*ecdsa.PrivateKey))
	i, err = i.take(papers{cert.Raw, [][]byte{ca.cert.Raw}}, i.FlagPins)
	must(t, err)
	return i, dir
}

func TestIdentitySurvivesAndRefusesDamage(t *testing.T) {
	ca := newCA(t)
	i, dir := newIdentity(t, ca)
	must(t, i.save(dir))
	back, err := loadIdentity(dir)
	must(t, err)
	if back.Node != i.Node || !slices.Equal(back.Pins, i.Pins) || !samePublic(back.key.Public(), i.key.Public()) {
		t.Fatalf("read back %+v", back)
	}
	if next, err := back.take(papers{back.Cert, back.CA}, back.Pins); err != nil || back.tickets == nil || next.tickets == back.tickets {
		t.Errorf("tickets of the old certificate are kept beside a new one: %v", err)
	}
	if none, err := loadIdentity(t.TempDir()); none != nil || err != nil {
		t.Errorf("an empty directory: %v, %v", none, err)
	}
	for file, content := range map[string]string{identityFile: "{", keyFile: "nothing"} {
		damaged := t.TempDir()
		must(t, os.CopyFS(damaged, os.DirFS(dir)))
		must(t, os.WriteFile(filepath.Join(damaged, file), []byte(content), 0o600))
		if _, err := loadIdentity(damaged); err == nil || protocol.AsFault(err).Next == "" {
			t.Errorf("damaged %s: %v", file, err)
		}
	}
	foreign := t.TempDir()
	must(t, os.CopyFS(foreign, os.DirFS(dir)))
	must(t, os.Remove(filepath.Join(foreign, keyFile)))
	_, err = makeKey(foreign)
	must(t, err)
	if _, err := loadIdentity(foreign); err == nil {
		t.Error("a key that does not belong to the certificate was taken")
	}
}

func TestTakeRefusesPapers(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	i, _ := newIdentity(t, ca)
	key := i.key.(*ecdsa.PrivateKey)
	now := time.Now()
	mine := ca.leaf(t, "x", x509.ExtKeyUsageClientAuth, now, now.Add(time.Hour), key)
	for name, p := range map[string]papers{
		"not a certificate": {[]byte("x"), [][]byte{ca.cert.Raw}},
		"another key":       {ca.leaf(t, "x", x509.ExtKeyUsageClientAuth, now, now.Add(time.Hour), nil).Raw, [][]byte{ca.cert.Raw}},
		"no CA":             {mine.Raw, nil},
		"only a foreign CA": {other.leaf(t, "x", x509.ExtKeyUsageClientAuth, now, now.Add(time.Hour), key).Raw, [][]byte{other.cert.Raw}},
		"server use":        {ca.leaf(t, "x", x509.ExtKeyUsageServerAuth, now, now.Add(time.Hour), key).Raw, [][]byte{ca.cert.Raw}},
		"signed by no CA":   {other.leaf(t, "x", x509.ExtKeyUsageClientAuth, now, now.Add(time.Hour), key).Raw, [][]byte{ca.cert.Raw}},
	} {
		if _, err := i.take(p, i.Pins); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	next, err := i.take(papers{mine.Raw, [][]byte{ca.cert.Raw, other.cert.Raw}}, i.Pins)
	must(t, err)
	if !slices.Equal(next.Pins, []string{pinOf(ca.cert), pinOf(other.cert)}) || len(i.Pins) != 1 {
		t.Errorf("pins %v after %v", next.Pins, i.Pins)
	}
}

func TestAdopt(t *testing.T) {
	i := &identity{Controllers: []string{"a:1"}, Pins: []string{"new"}, FlagPins: []string{"old"}}
	if i.adopt(nil, nil) || i.adopt([]string{"a:1"}, []string{"old"}) || !slices.Equal(i.Pins, []string{"new"}) {
		t.Errorf("unchanged flags changed %+v", i)
	}
	if !i.adopt([]string{"b:2"}, []string{"newer"}) || !slices.Equal(i.Pins, []string{"new", "newer"}) || !slices.Equal(i.Controllers, []string{"b:2"}) {
		t.Errorf("changed flags: %+v", i)
	}
}

// TestFit: whatever waits, a batch fits one message, keeps its order and is never empty while something waits.
func TestFit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(rt, "n")
		var batch []protocol.Report
		for i := range n {
			lines := rapid.IntRange(0, 60).Draw(rt, "lines")
			e := &protocol.Exit{LastLine: slices.Repeat([]string{strings.Repeat("x", 16<<10)}, lines)}
			batch = append(batch, protocol.Report{Seq: int64(i), Fact: protocol.Fact{Observed: &protocol.Observed{Exit: e}}})
		}
		got := fit(batch)
		total := 0
		for i, r := range got {
			if r.Seq != int64(i) {
				rt.Fatalf("report %d at place %d", r.Seq, i)
			}
			total += size(r)
		}
		if total > 1<<20-1024 || n > 0 && len(got) == 0 {
			rt.Fatalf("%d of %d reports, %d bytes", len(got), n, total)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{})
	if err == nil {
		t.Error("empty options were taken")
	}
	o := Options{Controllers: []string{"host", "host:1", "::1", "[::1]:2"}, Pins: []string{"SHA256:" + strings.Repeat("AB", 32)}}
	o.Data, o.Facts = "x", func() protocol.NodeFacts { return protocol.NodeFacts{} }
	full := stub{}
	o.Runtime, o.Console, o.Health, o.Reports, o.State = full, full, full, full, full
	must(t, o.validate())
	if want := []string{"host:8443", "host:1", "[::1]:8443", "[::1]:2"}; !slices.Equal(o.Controllers, want) {
		t.Errorf("controllers %v, want %v", o.Controllers, want)
	}
	o.Pins = []string{"sha256:short"}
	if err := o.validate(); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("a short pin: %v", err)
	}
}

type stub struct {
	protocol.Runtime
	protocol.Console
	Health
	Reports
	State
}
