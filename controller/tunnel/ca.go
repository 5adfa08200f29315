package tunnel

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
)

// Lifetimes of what the authority issues. Backdate forgives clocks that run a little behind.
const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 30 * 24 * time.Hour
	nodeLife   = 24 * time.Hour
	backdate   = 5 * time.Minute
)

// Authority is the cluster's certificate authority: it holds the CA keys, signs node certificates and keeps the
// controller's own leaf fresh. During a rotation it trusts several CAs, of which one is active (signs).
type Authority struct {
	dir        string
	cluster    string
	passphrase []byte

	mu      sync.Mutex
	active  authorityKey
	trusted []*x509.Certificate // the active one first
	pool    *x509.CertPool
	leaf    *tls.Certificate
	marks   [][]byte // keys of the marks of each of them, the active one's first
}

type authorityKey struct {
	name string // file name without its end
	cert *x509.Certificate
	key  crypto.Signer
}

// OpenAuthority reads the authority of the cluster under dir (DATA/ca) and makes it if there is none.
// A passphrase that is not empty seals the keys on disk; keys that were plain are sealed now.
func OpenAuthority(dir, cluster string, passphrase []byte) (*Authority, error) {
	if !clusterRule.MatchString(cluster) {
		return nil, fmt.Errorf("tunnel: %q cannot be a cluster's id", cluster)
	}
	a := &Authority{dir: dir, cluster: cluster, passphrase: passphrase}
	if err := a.load(); err != nil {
		return nil, err
	}
	return a, nil
}

// clusterRule: the id is a DNS label, because it is the name in the controller's certificate.
var clusterRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Cluster is the cluster's id: the name in the controller's certificate, the same through rotations.
func (a *Authority) Cluster() string { return a.cluster }

// Pin is what an agent is given to trust the active CA: "sha256:" and the hex digest of its public key (SPKI).
func (a *Authority) Pin() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return pinOf(a.active.cert)
}

// Pins are the pins of all CAs that are trusted now, the active one first.
func (a *Authority) Pins() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]string, len(a.trusted))
	for i, c := range a.trusted {
		out[i] = pinOf(c)
	}
	return out
}

// Roots are the trusted CAs in DER, the active one first: what agents keep.
func (a *Authority) Roots() [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([][]byte, len(a.trusted))
	for i, c := range a.trusted {
		out[i] = c.Raw
	}
	return out
}

func pinOf(c *x509.Certificate) string {
	return "sha256:" + spkiOf(c.RawSubjectPublicKeyInfo)
}

func spkiOf(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func (a *Authority) clientPool() *x509.CertPool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pool
}

// serverCert is the controller's certificate with its CA behind it, so that an agent that only has a pin can check it.
// It is issued anew at each start, after half of its life, and when the clock was set back to before it.
func (a *Authority) serverCert(now time.Time) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaf != nil && !now.Before(a.leaf.Leaf.NotBefore) && now.Before(a.leaf.Leaf.NotBefore.Add(serverLife/2)) {
		return a.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl, err := template(a.cluster, now, serverLife)
	if err != nil {
		return nil, err
	}
	tmpl.DNSNames = []string{a.cluster}
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.active.cert, key.Public(), a.active.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a.leaf = &tls.Certificate{Certificate: [][]byte{der, a.active.cert.Raw}, PrivateKey: key, Leaf: leaf}
	return a.leaf, nil
}

// issueNode signs a certificate for a node's key: 24 h, client use only, named spiffe://<cluster>/node/<id>.
func (a *Authority) issueNode(node string, key crypto.PublicKey, from time.Time, life time.Duration) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	tmpl, err := template(node, from, life)
	if err != nil {
		return nil, err
	}
	tmpl.URIs = []*url.URL{{Scheme: "spiffe", Host: a.cluster, Path: "/node/" + node}}
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return x509.CreateCertificate(rand.Reader, tmpl, a.active.cert, key, a.active.key)
}

// ticketKey seals the session tickets of agents. It follows from the active CA's key, so that a restart, or another controller
// with the same CA, takes them, a rotation of the CA ends them, and no further secret is on the disk.
func (a *Authority) ticketKey() (out [32]byte, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	secret, err := x509.MarshalPKCS8PrivateKey(a.active.key)
	if err != nil {
		return out, err
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "payperplay session tickets "+a.cluster, len(out))
	copy(out[:], key)
	return out, err
}

func template(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"PayPerPlay"}, CommonName: name},
		NotBefore:    now.Add(-backdate).UTC(),
		NotAfter:     now.Add(life).UTC(),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}, nil
}

func newCA(cluster string, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	tmpl, err := template(cluster, now, caLife)
	if err != nil {
		return nil, nil, err
	}
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.MaxPathLenZero = true, true, true
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

// verifyNode checks that a client's certificate is a node's, signed by a CA of ours. Its age is not looked at: an agent
// that comes too late is let in just far enough to be told so (see expired).
func (a *Authority) verifyNode(certs []*x509.Certificate) error {
	if len(certs) == 0 {
		return errors.New("no certificate")
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: a.clientPool(), CurrentTime: certs[0].NotAfter, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	_, err = nodeOf(certs[0], a.cluster)
	return err
}

// expired says why a certificate of ours does not count now, nil if it does.
func expired(cert *x509.Certificate, now time.Time) error {
	switch {
	case now.After(cert.NotAfter):
		return fault.New(fault.Precondition, "the node's certificate expired at "+cert.NotAfter.UTC().Format(time.RFC3339), "the agent gets a new one by its key")
	case now.Before(cert.NotBefore):
		return fault.New(fault.Unavailable, "the node's certificate begins at "+cert.NotBefore.UTC().Format(time.RFC3339)+", later than the controller's clock says it is", "set the controller machine's clock")
	default:
		return nil
	}
}

// nodeOf reads a node's id out of its certificate.
func nodeOf(cert *x509.Certificate, cluster string) (string, error) {
	for _, u := range cert.URIs {
		if u.Scheme == "spiffe" && u.Host == cluster && len(u.Path) > len("/node/") && u.Path[:len("/node/")] == "/node/" {
			return u.Path[len("/node/"):], nil
		}
	}
	return "", errors.New("the certificate names no node of this cluster")
}

// boundKey checks a CSR and gives its key with the hash that a node's row is bound to.
// Only the key counts: names and extensions in a CSR are the stranger's wishes.
func boundKey(csr []byte) (crypto.PublicKey, string, error) {
	const next = "let the agent make its request anew"
	if len(csr) > 4096 {
		return nil, "", fault.New(fault.Invalid, "the certificate request is too long", next)
	}
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, "", fault.Wrap(err, fault.Invalid, "the certificate request cannot be read", next)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, "", fault.Wrap(err, fault.Invalid, "the certificate request is not signed by its own key", next)
	}
	if err := keyAllowed(r.PublicKey); err != nil {
		return nil, "", fault.Wrap(err, fault.Invalid, "the certificate request has a key of the wrong kind", "use ECDSA P-256 or Ed25519")
	}
	return r.PublicKey, spkiOf(r.RawSubjectPublicKeyInfo), nil
}

func keyAllowed(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("key of type %T", key)
}
