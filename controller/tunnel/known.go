package tunnel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// knownCA is the row that says which CA the agents of this store trust. The CA itself is in DATA/ca, beside the store and
// not in it: a controller that finds the store but not the CA must not make another one, which no agent would trust.
type knownCA struct {
	ID   string    `json:"id"` // "ca"
	Pins []string  `json:"pins"`
	At   time.Time `json:"at"`
}

var known = store.Table[knownCA]{Name: KnownTable, Key: func(k knownCA) string { return k.ID }}

// AuthorityOptions say where the CA is.
type AuthorityOptions struct {
	Dir        string // DATA/ca
	Cluster    string
	Passphrase []byte
	// New takes the CA that is in Dir, or makes one, although the store knows another: every agent has to be enrolled again.
	New bool
}

// KnownTable and KnownKey are where the row of the known CA is, for VetAuthority.
const (
	KnownTable = "authority"
	KnownKey   = "ca"
)

// VetAuthority fails as AuthorityOf would for a store with this row (nil: none), before anybody opens that store. It makes
// nothing.
func VetAuthority(row []byte, o AuthorityOptions) error {
	if row == nil || o.New {
		return nil
	}
	var want knownCA
	if err := json.Unmarshal(row, &want); err != nil {
		return err
	}
	_, err := want.open(o)
	return err
}

// AuthorityOf opens the authority that belongs to the store, and makes it when neither has one yet. A precondition fault
// says that Dir lacks the CA which the store's agents trust.
func AuthorityOf(ctx context.Context, db store.DB, o AuthorityOptions) (*Authority, error) {
	var want knownCA
	err := db.View(ctx, func(tx store.Tx) (err error) {
		want, err = known.Get(tx, KnownKey)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	ca, err := want.open(o)
	if err != nil || slices.Equal(ca.Pins(), want.Pins) {
		return ca, err
	}
	return ca, ca.Remember(ctx, db)
}

// open opens the authority in o.Dir unless it is not the one that is known.
func (want knownCA) open(o AuthorityOptions) (*Authority, error) {
	found, err := (&Authority{dir: o.Dir}).names()
	if err != nil {
		return nil, err
	}
	strict := len(want.Pins) > 0 && !o.New
	if strict && len(found) == 0 {
		return nil, otherCA(o.Dir, "there is no CA in "+o.Dir, want)
	}
	ca, err := OpenAuthority(o.Dir, o.Cluster, o.Passphrase)
	if err != nil {
		return nil, err
	}
	if strict && !slices.ContainsFunc(ca.Pins(), func(pin string) bool { return slices.Contains(want.Pins, pin) }) {
		return nil, otherCA(o.Dir, "the CA in "+o.Dir+" is another one", want)
	}
	return ca, nil
}

// Remember writes into the store which CAs are trusted now; each step of a rotation ends with it.
func (a *Authority) Remember(ctx context.Context, db store.DB) error {
	pins := a.Pins()
	return db.Update(ctx, func(tx store.Tx) error {
		return known.Put(tx, knownCA{ID: KnownKey, Pins: pins, At: time.Now().UTC()})
	})
}

func otherCA(dir, what string, want knownCA) error {
	return fault.New(fault.Precondition, fmt.Sprintf("%s, and the agents of this store trust the one with the pin %s", what, want.Pins[0]),
		fmt.Sprintf("copy the directory ca of the controller that ran before to %s; only if it is lost, start with --new-ca and enrol every agent again", dir))
}
