package tunnel

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol/durable"
)

// On disk: ca-N.key (sealed or plain, 0600), ca-N.crt, and "active", which names the one that signs. Each is written whole
// by temp, fsync and rename; the key comes first and "active" last, so a crash between leaves the authority as it was.
const activeFile = "active"

func (a *Authority) load() error {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	durable.Sweep(filepath.Join(a.dir, "*"), time.Minute)
	names, err := a.names()
	if err != nil {
		return err
	}
	active, err := os.ReadFile(filepath.Join(a.dir, activeFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(names) == 0:
		return a.first()
	case errors.Is(err, fs.ErrNotExist):
		active = []byte(names[0]) // the crash came after the first pair and before "active"
		if err := writeFile(a.dir, activeFile, active, 0o600); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return a.use(strings.TrimSpace(string(active)), names)
}

// first makes the cluster's first CA.
func (a *Authority) first() error {
	if err := a.add("ca-1", a.cluster); err != nil {
		return err
	}
	if err := writeFile(a.dir, activeFile, []byte("ca-1"), 0o600); err != nil {
		return err
	}
	return a.use("ca-1", []string{"ca-1"})
}

func (a *Authority) add(name, cluster string) error {
	cert, key, err := newCA(cluster, time.Now())
	if err != nil {
		return err
	}
	block, err := sealKey(key, a.passphrase)
	if err != nil {
		return err
	}
	if err := writeFile(a.dir, name+".key", pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	return writeFile(a.dir, name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644)
}

// names lists the CAs whose certificate is there, oldest first.
func (a *Authority) names() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(a.dir, "ca-*.crt"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range found {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".crt"))
	}
	sort.Slice(out, func(i, j int) bool { return number(out[i]) < number(out[j]) })
	return out, nil
}

func number(name string) int {
	n := 0
	_, _ = fmt.Sscanf(name, "ca-%d", &n)
	return n
}

// use reads the named CA with its key, and the certificates of the others.
func (a *Authority) use(active string, names []string) error {
	cert, err := a.readCert(active)
	if err != nil {
		return err
	}
	key, err := a.readKey(active)
	if err != nil {
		return err
	}
	if cert.Subject.CommonName != a.cluster {
		return fault.New(fault.Conflict, fmt.Sprintf("the CA in %s belongs to the cluster %s, the store to %s", a.dir, cert.Subject.CommonName, a.cluster),
			"restore both from the same backup; to start over with this store, move the directory aside and enrol every agent again")
	}
	if !samePublic(key.Public(), cert.PublicKey) {
		return damaged(a.dir, active+".key", errors.New("it does not belong to the certificate beside it"))
	}
	trusted, pool := []*x509.Certificate{cert}, x509.NewCertPool()
	pool.AddCert(cert)
	for _, n := range names {
		if n == active {
			continue
		}
		c, err := a.readCert(n)
		if err != nil {
			return err
		}
		trusted = append(trusted, c)
		pool.AddCert(c)
	}
	signs := authorityKey{active, cert, key}
	marks, err := a.markKeys(signs, names)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.active, a.trusted, a.pool, a.leaf, a.marks = signs, trusted, pool, nil, marks
	return nil
}

func (a *Authority) readCert(name string) (*x509.Certificate, error) {
	data, err := os.ReadFile(filepath.Join(a.dir, name+".crt"))
	if err != nil {
		return nil, damaged(a.dir, name+".crt", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, damaged(a.dir, name+".crt", errors.New("it holds no certificate"))
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, damaged(a.dir, name+".crt", err)
	}
	return c, nil
}

func (a *Authority) readKey(name string) (crypto.Signer, error) {
	path := filepath.Join(a.dir, name+".key")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, damaged(a.dir, name+".key", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, damaged(a.dir, name+".key", errors.New("it holds no key"))
	}
	key, plain, err := openKey(block, a.passphrase)
	if err != nil {
		return nil, err
	}
	if plain && len(a.passphrase) > 0 {
		sealed, err := sealKey(key, a.passphrase)
		if err != nil {
			return nil, err
		}
		return key, writeFile(a.dir, name+".key", pem.EncodeToMemory(sealed), 0o600)
	}
	return key, nil
}

func samePublic(a, b crypto.PublicKey) bool {
	e, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && e.Equal(b)
}

func damaged(dir, file string, err error) error {
	return fault.Wrap(err, fault.Unavailable, fmt.Sprintf("the cluster's CA file %s cannot be used", filepath.Join(dir, file)),
		"restore the directory from a backup; without it every agent must be enrolled again (docs/operations.md)")
}

func writeFile(dir, name string, data []byte, mode os.FileMode) error {
	return durable.WriteFile(filepath.Join(dir, name), data, mode, "tunnel.file")
}
