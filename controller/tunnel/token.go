package tunnel

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

const (
	tokenPrefix = "ppj_"
	tokenTTL    = 15 * time.Minute
	tokenTTLMax = 7 * 24 * time.Hour
	tokenKeep   = 7 * 24 * time.Hour // after expiry, so that a late use can still be told from nonsense
	// retryJoin is how long the winner of a token may ask again with the same key: its reply may have been lost.
	retryJoin = 10 * time.Minute
)

// TokenRequest says for which node a token is.
type TokenRequest struct {
	Name      string        // of the node: required
	TTL       time.Duration // 0 = 15 min, at most 7 days
	Roles     []string      // limits what the agent may be; empty: as it says
	Class     fleet.Class   // local (default) or cloud
	MachineID string        // optional: only this machine
	Address   string        // optional: only from this source address
}

// Token is a new join token; Secret is shown once.
type Token struct {
	Secret  string
	Name    string
	Pins    []string // of the cluster's CAs
	Expires time.Time
}

// CreateToken makes a single-use join token and keeps only its hash.
func (t *Tunnel) CreateToken(ctx context.Context, actor string, req TokenRequest) (Token, error) {
	if err := req.validate(); err != nil {
		return Token{}, err
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return Token{}, err
	}
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	now := time.Now().UTC()
	row := JoinToken{
		Hash: hashToken(secret), Name: req.Name, Class: req.Class, Roles: req.Roles, MachineID: req.MachineID,
		Address: req.Address, Actor: actor, Created: now, Expires: now.Add(req.TTL),
	}
	err := t.db.Update(ctx, func(tx store.Tx) error {
		if err := nameFree(tx, req.Name); err != nil {
			return err
		}
		if _, err := TrimTokens(tx, now, 100); err != nil {
			return err
		}
		if err := joinTokens.Put(tx, row); err != nil {
			return err
		}
		return t.emit(tx, "node.token_created", "", actor, map[string]any{"name": req.Name, "expires": row.Expires})
	})
	if err != nil {
		return Token{}, err
	}
	return Token{Secret: secret, Name: req.Name, Pins: t.ca.Pins(), Expires: row.Expires}, nil
}

func (r *TokenRequest) validate() error {
	if err := fleet.CheckName("node", r.Name); err != nil {
		return err
	}
	if r.Class == "" {
		r.Class = fleet.Local
	}
	if r.Class != fleet.Local && r.Class != fleet.Cloud {
		return fault.New(fault.Invalid, fmt.Sprintf("%q is not a class of nodes", r.Class), "use local or cloud")
	}
	if r.TTL == 0 {
		r.TTL = tokenTTL
	}
	if r.TTL < 0 || r.TTL > tokenTTLMax {
		return fault.New(fault.Invalid, fmt.Sprintf("a join token cannot live for %s", r.TTL), "choose a time up to 168h")
	}
	if r.Address != "" {
		a, err := netip.ParseAddr(r.Address)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, fmt.Sprintf("%q is not an IP address", r.Address), "write it as 203.0.113.7")
		}
		r.Address = a.Unmap().String()
	}
	return checkRoles(r.Roles)
}

func checkRoles(roles []string) error {
	for _, role := range roles {
		if role != fleet.RoleWorker && role != fleet.RoleEdge {
			return fault.New(fault.Invalid, fmt.Sprintf("%q is not a role", role), "use worker, edge or both")
		}
	}
	return nil
}

func hashToken(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// claim is what a stranger shows with a token.
type claim struct {
	name, machineID, address, keyHash string
	roles                             []string
}

// refusal says why a token does not open the door: in full for log and event, and what the stranger is told.
type refusal struct {
	reason string // constant, for the event and the metric
	told   error
}

const askNew = "ask the operator for a new token (controller node token create)"

// checkToken decides about a token that was found; nil means yes. again means: its rightful user has asked before.
func checkToken(row JoinToken, c claim, now time.Time) (no *refusal, again bool) {
	deny := func(reason, msg, next string) *refusal {
		return &refusal{reason, fault.New(fault.Unauthorized, msg, next)}
	}
	switch {
	case row.Unbound && now.Before(row.Expires):
		return &refusal{"unbound", fault.New(fault.Unavailable, "the join token cannot be used yet: the cloud has not said which machine it is for", "nothing is to be done: the agent tries again")}, false
	case !row.Used.IsZero() && row.KeyHash == c.keyHash && now.Sub(row.Used) < retryJoin:
		return nil, true
	case !row.Used.IsZero():
		return deny("used", "the join token has been used already", "if that was not you, revoke the node "+row.Name+"; "+askNew), false
	case !now.Before(row.Expires):
		return deny("expired", fmt.Sprintf("the join token expired at %s", row.Expires.UTC().Format(time.RFC3339)), askNew), false
	case c.name != "" && c.name != row.Name:
		return deny("name", "the join token is for another node name", fmt.Sprintf("join without --name, or with the name the token was made for, not %q", c.name)), false
	case row.MachineID != "" && row.MachineID != c.machineID:
		return deny("machine", "the join token is for another machine", askNew), false
	case row.Address != "" && row.Address != c.address:
		return deny("address", "the join token may not be used from this address", askNew), false
	}
	for _, role := range c.roles {
		if len(row.Roles) > 0 && !slices.Contains(row.Roles, role) {
			return deny("roles", fmt.Sprintf("the join token does not allow the role %q", role), "start the agent with --roles "+strings.Join(row.Roles, ",")), false
		}
	}
	return nil, false
}
