package tunnel

import (
	"context"
	"crypto"
	"crypto/tls"
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// IssueNode lets a test make a certificate of any age.
func (a *Authority) IssueNode(node string, key crypto.PublicKey, from time.Time, life time.Duration) ([]byte, error) {
	return a.issueNode(node, key, from, life)
}

// ExpireToken makes a token old.
func (t *Tunnel) ExpireToken(ctx context.Context, secret string) error {
	return t.db.Update(ctx, func(tx store.Tx) error {
		row, err := joinTokens.Get(tx, hashToken(secret))
		if err != nil {
			return err
		}
		row.Expires = time.Now().Add(-time.Second)
		return joinTokens.Put(tx, row)
	})
}

// BulkOpen counts open bulk sessions.
func (t *Tunnel) BulkOpen() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, e := range t.nodes {
		if e.bulk != nil {
			n++
		}
	}
	return n
}

// ServerCert is the controller's own certificate, for the yardstick.
func (a *Authority) ServerCert() tls.Certificate {
	c, err := a.serverCert(time.Now())
	if err != nil {
		panic(err)
	}
	return *c
}

// ReadsMark tells whether a mark is one of the authority's, for that node.
func ReadsMark(a *Authority, node string, text []byte) bool {
	_, ok := a.readMark(node, text)
	return ok
}
