package fakehetzner

import (
	"context"
	"net/netip"
	"time"
)

// Machine is what a Booter is told of a machine that is to be switched on.
type Machine struct {
	ID        string // the provider's
	N         int    // counts machines from 1: ports and networks of a machine's own are cut by it
	Boots     int    // counts its boots from 1; on the first one user-data is followed
	Name      string
	Labels    map[string]string
	UserData  []byte
	Type      string
	Arch      string // GOARCH
	CPUs      int
	Memory    int64 // bytes
	Location  string
	Image     string // id
	ImageName string // "" for a snapshot
	Address   netip.Addr
	Private   netip.Addr // in its network; invalid = none
}

// Booter makes machines real. Boot returns when the machine is on (not: ready); stop cuts its power and returns when it is off. ctx ends
// when the power is cut, also in the middle of Boot, and with Run; stop is called all the same. The same machine is never booted twice at
// once. A Booter that is also a Wiper is told when a machine is gone for good.
type Booter interface {
	Boot(ctx context.Context, m Machine) (stop func(), err error)
}

// Wiper throws away the disk of a machine that was deleted.
type Wiper interface {
	Wipe(id string)
}

// BooterFunc is a Booter without a disk.
type BooterFunc func(ctx context.Context, m Machine) (stop func(), err error)

// Boot calls f.
func (f BooterFunc) Boot(ctx context.Context, m Machine) (func(), error) { return f(ctx, m) }

// MachineInfo is what the fake knows of a machine, whatever its lists say.
type MachineInfo struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
	Type      string            `json:"type"`
	Location  string            `json:"location"`
	Image     string            `json:"image"`
	Status    string            `json:"status"` // the API's word; "deleted" and "vanished" of those in Past
	Address   string            `json:"address"`
	Private   string            `json:"private,omitempty"`
	Created   time.Time         `json:"created"`
	Deleted   time.Time         `json:"deleted,omitzero"` // when it was gone; hours stop then
	Boots     int               `json:"boots"`
	NeverJoin bool              `json:"never_join,omitempty"` // a fault: it is on, and its agent will never call
	BootsAt   time.Time         `json:"boots_at,omitzero"`    // a slow boot: on for the API, and nothing runs before
}
