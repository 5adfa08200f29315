package tunnel

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// MachineToken gives the join token of a rented machine (id of provision's row). Asked again it gives the same one: an order whose answer was
// lost is repeated with the same user-data, also by a controller that was killed in between, and whichever arrived holds a token that
// is known. Until BindToken nobody can use it. Kinds: invalid, conflict (the name is a node's, or the token was used).
func (t *Tunnel) MachineToken(ctx context.Context, actor, machine string, req TokenRequest) (Token, error) {
	if err := req.validate(); err != nil {
		return Token{}, err
	}
	secret, err := t.ca.machineSecret(machine)
	if err != nil {
		return Token{}, err
	}
	now := time.Now().UTC()
	row := JoinToken{
		Hash: hashToken(secret), Name: req.Name, Class: req.Class, Roles: req.Roles, Machine: machine, Unbound: true,
		Actor: actor, Created: now, Expires: now.Add(req.TTL),
	}
	err = t.db.Update(ctx, func(tx store.Tx) error {
		old, err := tokenOf(tx, machine)
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return err
		case err == nil && !old.Used.IsZero():
			return fault.New(fault.Conflict, "the machine of node "+old.Name+" has joined already", "see it with controller node show "+old.Name)
		case err == nil && old.Hash == row.Hash:
			row.Expires = old.Expires
			return nil
		case err == nil: // the CA's key is another one since
			if err := joinTokens.Delete(tx, old.Hash); err != nil {
				return err
			}
		}
		if err := nameFree(tx, req.Name); err != nil {
			return err
		}
		if err := joinTokens.Put(tx, row); err != nil {
			return err
		}
		return t.emit(tx, "node.token_created", "", actor, map[string]any{"name": req.Name, "expires": row.Expires, "machine": machine})
	})
	if err != nil {
		return Token{}, err
	}
	return Token{Secret: secret, Name: req.Name, Pins: t.ca.Pins(), Expires: row.Expires}, nil
}

// machineSecret derives a token from the active CA's key, which every controller with that CA has and nobody else.
func (a *Authority) machineSecret(machine string) (string, error) {
	a.mu.Lock()
	key := a.marks[0]
	a.mu.Unlock()
	raw, err := hkdf.Key(sha256.New, key, nil, "payperplay join token "+machine, 32)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(raw), err
}

// BindToken lets a machine's token be used until expires, by the machine with this id that dials from this address alone: both are the
// provider's word. "" for an address means from anywhere. Doing it twice is no error. Kinds: not_found, invalid.
func BindToken(tx store.Tx, machine, machineID, address string, expires time.Time) error {
	row, err := tokenOf(tx, machine)
	if err != nil || !row.Used.IsZero() {
		return err
	}
	if address != "" {
		a, err := netip.ParseAddr(address)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "the cloud gave an address that is none: "+address, "look at the machine in the cloud's console")
		}
		address = a.Unmap().String()
	}
	row.Unbound, row.MachineID, row.Address, row.Expires = false, machineID, address, expires.UTC()
	return joinTokens.Put(tx, row)
}

// DropToken makes sure that a machine's token opens no door any more. One that was used stays, as the memory of who did.
func DropToken(tx store.Tx, machine string) error {
	row, err := tokenOf(tx, machine)
	if errors.Is(err, store.ErrNotFound) || err == nil && !row.Used.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	return joinTokens.Delete(tx, row.Hash)
}

// JoinedAs tells which node a machine's agent has become; "" when it has not joined.
func JoinedAs(tx store.Tx, machine string) (node string, err error) {
	row, err := tokenOf(tx, machine)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return row.Node, err
}

func tokenOf(tx store.Tx, machine string) (JoinToken, error) {
	return joinTokens.Lookup(tx, "machine", machine)
}
