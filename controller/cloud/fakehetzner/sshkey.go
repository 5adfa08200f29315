package fakehetzner

import (
	"crypto/md5" //nolint:gosec // what the API calls a fingerprint
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// sshKey is a public key that is put on machines which ask for it. Ours do not.
type sshKey struct {
	head
	public string
	print  string
}

func (k *sshKey) view(*Cloud) obj {
	return obj{"id": k.ID, "name": k.Name, "labels": k.Labels, "created": k.Created, "public_key": k.public, "fingerprint": k.print}
}

func (c *Cloud) keyOf(text string) (*sshKey, bool) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		k, ok := c.sshKeys.rows[id]
		return k, ok
	}
	return c.sshKeys.named(text)
}

func (c *Cloud) listKeys(r *call) (reply, error) {
	print := r.query.Get("fingerprint")
	return listed(c, r, c.sshKeys, func(k *sshKey) bool { return print == "" || k.print == print })
}

func (c *Cloud) createKey(r *call) (reply, error) {
	var in struct {
		Name   string            `json:"name"`
		Public string            `json:"public_key"`
		Labels map[string]string `json:"labels"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	parts := strings.Fields(in.Public)
	if len(parts) < 2 {
		return reply{}, invalid("public_key", "is not a key")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil {
		return reply{}, invalid("public_key", "is not a key")
	}
	if len(c.sshKeys.rows) >= c.opt.Limits.SSHKeys {
		return reply{}, limited("SSH key")
	}
	sum := md5.Sum(raw) //nolint:gosec // see above
	hexed := hex.EncodeToString(sum[:])
	var pairs []string
	for i := 0; i < len(hexed); i += 2 {
		pairs = append(pairs, hexed[i:i+2])
	}
	k := &sshKey{public: in.Public, print: strings.Join(pairs, ":")}
	if err := put(c, c.sshKeys, k, in.Name, in.Labels); err != nil {
		return reply{}, err
	}
	return shown(c, c.sshKeys, k, http.StatusCreated)
}
