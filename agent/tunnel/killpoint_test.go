package tunnel

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

// TestF02IdentityKilledAtEachStep dies at each step of writing the node's key and its papers: the key that was acknowledged is never
// replaced, the newest acknowledged papers are there, and what is there fits together.
func TestF02IdentityKilledAtEachStep(t *testing.T) { killtest.Run(t, writingPapers()) }

// TestF14IdentityIsSyncedFirst: key and papers are on the disk before they are used.
func TestF14IdentityIsSyncedFirst(t *testing.T) { killtest.Synced(t, writingPapers(), "bound") }

func writingPapers() killtest.Case {
	serial := func(dir string) int64 {
		i, err := loadIdentity(dir)
		if err != nil || i == nil {
			return 0
		}
		return i.leaf.SerialNumber.Int64()
	}
	return killtest.Case{
		Points: []string{"agent.tunnel.file.before", "agent.tunnel.file.synced", "agent.tunnel.file.renamed", "agent.tunnel.file.after"},
		At:     []int{1, 2, 3}, // the key, the first papers, a renewal
		Work: func(_ context.Context, dir string, acked func(int)) error {
			key, err := makeKey(dir)
			if err != nil {
				return err
			}
			// The key's own copy beside it: what a controller would have bound.
			copied, err := os.ReadFile(filepath.Join(dir, keyFile))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "bound"), copied, 0o600); err != nil {
				return err
			}
			for range 3 {
				n := serial(dir) + 1
				papers := &x509.Certificate{SerialNumber: big.NewInt(n), NotAfter: time.Now().Add(time.Hour)}
				der, err := x509.CreateCertificate(rand.Reader, papers, papers, &key.(*ecdsa.PrivateKey).PublicKey, key)
				if err != nil {
					return err
				}
				if err := (&identity{Node: fmt.Sprint("node_", n), Cert: der}).save(dir); err != nil {
					return err
				}
				acked(int(n))
			}
			return nil
		},
		Check: func(t *testing.T, dir string, acked int) {
			i, err := loadIdentity(dir)
			if err != nil {
				t.Fatal(err)
			}
			if i == nil && acked > 0 || i != nil && (i.leaf.SerialNumber.Int64() < int64(acked) || i.Node != fmt.Sprint("node_", i.leaf.SerialNumber)) {
				t.Errorf("%+v, papers %d were acknowledged", i, acked)
			}
			bound, err := os.ReadFile(filepath.Join(dir, "bound"))
			if err != nil {
				return // it died before anybody knew the key
			}
			if now, err := os.ReadFile(filepath.Join(dir, keyFile)); err != nil || string(now) != string(bound) {
				t.Errorf("the key is not the one that was made first (%v)", err)
			}
		},
	}
}
