package tunnel

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"time"
)

// mark is what a controller of this cluster vouches for towards a node: that it led with this term and had taken the node's reports up
// to seq. Nobody else can make one, so a node that shows one from beyond the store's knowledge has not made up that the store is old.
type mark struct {
	term, seq int64
	at        time.Time
}

const (
	markSize = 1 + 3*8 + sha256.Size
	markKind = 1 // the first byte: how the rest is to be read
)

// markKeyOf derives the key of marks from a CA's key: no further secret is on the disk, and every controller with that CA reads them.
func markKeyOf(ca authorityKey, cluster string) ([]byte, error) {
	secret, err := x509.MarshalPKCS8PrivateKey(ca.key)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, secret, nil, "payperplay marks "+cluster, sha256.Size)
}

// stamp makes a node's mark with the active CA.
func (a *Authority) stamp(node string, m mark) []byte {
	out := make([]byte, 0, markSize)
	out = append(out, markKind)
	out = binary.BigEndian.AppendUint64(out, uint64(m.term))
	out = binary.BigEndian.AppendUint64(out, uint64(m.seq))
	out = binary.BigEndian.AppendUint64(out, uint64(m.at.UnixMicro()))
	a.mu.Lock()
	key := a.marks[0]
	a.mu.Unlock()
	return append(out, seal(key, node, out)...)
}

// readMark gives what a mark vouches for; false: no CA that is trusted now has made it for this node.
func (a *Authority) readMark(node string, text []byte) (mark, bool) {
	if len(text) != markSize || text[0] != markKind {
		return mark{}, false
	}
	body, sum := text[:markSize-sha256.Size], text[markSize-sha256.Size:]
	a.mu.Lock()
	keys := a.marks
	a.mu.Unlock()
	for _, key := range keys {
		if hmac.Equal(sum, seal(key, node, body)) {
			n := func(at int) int64 { return int64(binary.BigEndian.Uint64(body[at:])) }
			return mark{n(1), n(9), time.UnixMicro(n(17)).UTC()}, true
		}
	}
	return mark{}, false
}

func seal(key []byte, node string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(body) // of one length, so that where the node's name begins is not open
	h.Write([]byte(node))
	return h.Sum(nil)
}

// markKeys gives the keys of all CAs that are trusted, the active one's first. A CA whose key is gone vouches for nothing.
func (a *Authority) markKeys(active authorityKey, names []string) ([][]byte, error) {
	first, err := markKeyOf(active, a.cluster)
	if err != nil {
		return nil, err
	}
	keys := [][]byte{first}
	for _, n := range names {
		if n == active.name {
			continue
		}
		key, err := a.readKey(n)
		if err != nil {
			continue // it signs nothing any more: its key may be gone
		}
		k, err := markKeyOf(authorityKey{name: n, key: key}, a.cluster)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}
