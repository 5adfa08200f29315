package tunnel

import (
	"context"
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

const knownID = "ca"

var known = store.Table[knownCA]{Name: "authority", Key: func(k knownCA) string { return k.ID }}

// AuthorityOptions say where the CA is.
type AuthorityOptions struct {
	Dir        string // DATA/ca
	Cluster    string
	Passphrase []byte
	// New takes the CA that is in Dir, or makes one, although the store knows another: every agent has to be enrolled again.
	New bool
}

// AuthorityOf opens the authority that belongs to the store, and makes it when neither has one yet. A precondition fault
// says that Dir lacks the CA which the store's agents trust.
func AuthorityOf(ctx context.Context, db store.DB, o AuthorityOptions) (*Authority, error) {
	var want knownCA
	err := db.View(ctx, func(tx store.Tx) (err error) {
		want, err = known.Get(tx, knownID)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	found, err := (&Authority{dir: o.Dir}).names()
	if err != nil {
		return nil, err
	}
	if len(want.Pins) > 0 && len(found) == 0 && !o.New {
		return nil, otherCA(o.Dir, "there is no CA in "+o.Dir, want)
	}
	ca, err := OpenAuthority(o.Dir, o.Cluster, o.Passphrase)
	if err != nil {
		return nil, err
	}
	if len(want.Pins) > 0 && !o.New && !slices.ContainsFunc(ca.Pins(), func(pin string) bool { return slices.Contains(want.Pins, pin) }) {
		return nil, otherCA(o.Dir, "the CA in "+o.Dir+" is another one", want)
	}
	if slices.Equal(ca.Pins(), want.Pins) {
		return ca, nil
	}
	return ca, ca.Remember(ctx, db)
}

// Remember writes into the store which CAs are trusted now; each step of a rotation ends with it.
func (a *Authority) Remember(ctx context.Context, db store.DB) error {
	pins := a.Pins()
	return db.Update(ctx, func(tx store.Tx) error {
		return known.Put(tx, knownCA{ID: knownID, Pins: pins, At: time.Now().UTC()})
	})
}

func otherCA(dir, what string, want knownCA) error {
	return fault.New(fault.Precondition, fmt.Sprintf("%s, and the agents of this store trust the one with the pin %s", what, want.Pins[0]),
		fmt.Sprintf("copy the directory ca of the controller that ran before to %s; only if it is lost, start with --new-ca and enrol every agent again", dir))
}
