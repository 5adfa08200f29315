package tunnel

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Rotating the CA takes three steps, with at least 24 h (one certificate life) between them, so that every agent that is
// up has learned the new CA before it is needed and dropped the old one's certificate before it goes:
// Prepare (both trusted, the old signs), Activate (both trusted, the new signs), Retire (the old is gone).

// Prepare makes a second CA, which agents learn at their next renewal. It returns its pin.
func (a *Authority) Prepare() (string, error) {
	names, err := a.names()
	if err != nil {
		return "", err
	}
	if len(names) > 1 {
		return "", fault.New(fault.Conflict, "a rotation of the CA is under way", "activate or retire first")
	}
	name := fmt.Sprintf("ca-%d", number(names[0])+1)
	if err := a.add(name, a.cluster); err != nil {
		return "", err
	}
	if err := a.load(); err != nil {
		return "", err
	}
	return a.Pins()[1], nil
}

// Activate lets the newest CA sign.
func (a *Authority) Activate() error {
	names, err := a.names()
	if err != nil {
		return err
	}
	if len(names) < 2 {
		return fault.New(fault.Precondition, "there is no second CA", "prepare one first")
	}
	if err := writeFile(a.dir, activeFile, []byte(names[len(names)-1]), 0o600); err != nil {
		return err
	}
	return a.load()
}

// Retire removes every CA but the active one: what they signed is refused from now on.
func (a *Authority) Retire() error {
	names, err := a.names()
	if err != nil {
		return err
	}
	a.mu.Lock()
	active := a.active.name
	a.mu.Unlock()
	for _, n := range names {
		if n == active {
			continue
		}
		if err := a.remove(n); err != nil {
			return err
		}
	}
	return a.load()
}

// remove takes a CA away for good: its key first, because a CA counts as long as its certificate is there.
func (a *Authority) remove(name string) error {
	if err := failpoint.Hit("tunnel.retire.before"); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(a.dir, name+".key")); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := failpoint.Hit("tunnel.retire.between"); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(a.dir, name+".crt")); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := durable.SyncDir(a.dir); err != nil {
		return err
	}
	return failpoint.Hit("tunnel.retire.after")
}
