package tunnel

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/durable"
)

// Files under DATA. The key is made before the first join and kept for the life of the node.
const (
	keyFile      = "node.key"
	identityFile = "identity.json"
)

// identity is who this machine is to its controller.
type identity struct {
	Node        string   `json:"node"`
	Name        string   `json:"name"`
	Cluster     string   `json:"cluster"`
	Cert        []byte   `json:"cert"` // DER
	CA          [][]byte `json:"ca"`   // DER
	Controllers []string `json:"controllers"`
	Pins        []string `json:"pins"`
	FlagPins    []string `json:"flag_pins"` // as given on the command line, to notice when the operator changes them

	key     crypto.Signer
	leaf    *x509.Certificate
	tickets tls.ClientSessionCache // of connections made with leaf; in memory only
}

// loadIdentity reads the identity; nil if this machine is not enrolled.
func loadIdentity(dir string) (*identity, error) {
	file := filepath.Join(dir, identityFile)
	durable.Sweep(filepath.Join(dir, keyFile), time.Minute)
	durable.Sweep(file, time.Minute)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(file, err)
	}
	i := &identity{}
	if err := json.Unmarshal(data, i); err != nil {
		return nil, unreadable(file, err)
	}
	if i.leaf, err = x509.ParseCertificate(i.Cert); err != nil {
		return nil, unreadable(file, err)
	}
	if i.key, err = loadKey(dir); err != nil {
		return nil, err
	}
	if !samePublic(i.leaf.PublicKey, i.key.Public()) {
		return nil, unreadable(filepath.Join(dir, keyFile), errors.New("the key does not belong to the certificate"))
	}
	i.tickets = tls.NewLRUClientSessionCache(1)
	return i, nil
}

func unreadable(file string, err error) error {
	return protocol.Faultf(protocol.Internal, "restore the file from a backup, or enrol this machine again with a new token and an empty --data",
		"the identity file %s cannot be used: %v", file, err)
}

func samePublic(a, b crypto.PublicKey) bool {
	e, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && e.Equal(b)
}

// save writes the identity whole.
func (i *identity) save(dir string) error {
	data, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(dir, identityFile, append(data, '\n'))
}

// adopt takes what the operator changed on the command line and tells whether that is anything. Pins that the controller has
// handed out since stay trusted; pins that are still the same flags as at the last start do not come back after a rotation.
func (i *identity) adopt(controllers, pins []string) bool {
	changed := false
	if len(controllers) > 0 && !slices.Equal(controllers, i.Controllers) {
		i.Controllers, changed = controllers, true
	}
	if len(pins) > 0 && !slices.Equal(pins, i.FlagPins) {
		i.FlagPins, changed = pins, true
		for _, p := range pins {
			if !slices.Contains(i.Pins, p) {
				i.Pins = append(i.Pins, p)
			}
		}
	}
	return changed
}

// tlsCert is what this machine shows.
func (i *identity) tlsCert() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.Cert}, PrivateKey: i.key, Leaf: i.leaf}
}

// papers is what a join, a recovery and a renewal bring.
type papers struct {
	cert []byte
	ca   [][]byte
}

// take checks papers and gives the identity that has them. trusted are the pins that this very connection was checked against:
// new CAs are believed only beside one of them.
func (i *identity) take(p papers, trusted []string) (*identity, error) {
	leaf, err := x509.ParseCertificate(p.cert)
	if err != nil {
		return nil, badPapers(err.Error())
	}
	if !samePublic(leaf.PublicKey, i.key.Public()) {
		return nil, badPapers("the certificate is for another key")
	}
	pool, pins, known := x509.NewCertPool(), []string(nil), false
	for _, der := range p.ca {
		ca, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, badPapers(err.Error())
		}
		pool.AddCert(ca)
		pins = append(pins, pinOf(ca))
		known = known || slices.Contains(trusted, pinOf(ca))
	}
	if !known {
		return nil, badPapers("none of the CAs is one that this machine trusts")
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil, badPapers(err.Error())
	}
	next := *i
	next.Cert, next.CA, next.Pins, next.leaf, next.tickets = p.cert, p.ca, pins, leaf, tls.NewLRUClientSessionCache(1)
	return &next, nil
}

func badPapers(why string) error {
	return protocol.Faultf(protocol.Internal, "see the controller's log", "the controller sent a certificate that cannot be used: %s", why)
}

// makeKey gives the machine's key and makes it the first time.
func makeKey(dir string) (crypto.Signer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, protocol.Faultf(protocol.Unavailable, "make the directory writable for the agent", "cannot make the data directory %s: %v", dir, err)
	}
	key, err := loadKey(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(fresh)
	if err != nil {
		return nil, err
	}
	return fresh, writeFile(dir, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// loadKey gives an error that is fs.ErrNotExist when there is no key.
func loadKey(dir string) (crypto.Signer, error) {
	file := filepath.Join(dir, keyFile)
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, errors.Join(unreadable(file, err), err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return nil, unreadable(file, err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, unreadable(file, errors.New("it holds no key"))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, unreadable(file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, unreadable(file, errors.New("the key cannot sign"))
	}
	return signer, nil
}

func request(key crypto.Signer, name string) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
}

// writeFile puts data at dir/name, readable by this user only. What is there already is not written again.
func writeFile(dir, name string, data []byte) error {
	path := filepath.Join(dir, name)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return durable.WriteFile(path, data, 0o600, "agent.tunnel.file")
}
