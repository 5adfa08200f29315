// Package cloud is the port to whoever rents us machines: the words, the interfaces a driver implements, and the kinds of what can go wrong.
// Drivers are rooms below (cloud/hetzner); cloud/cloudtest is the suite each of them passes. Nothing here does I/O.
//
// What a driver owes its callers:
//   - A name is the identity of an order: Create with a name that exists gives a fault of kind Exists, never a second machine.
//   - Everything it makes carries Labels of ours, and it lists, changes and deletes nothing without them.
//   - Every call ends by its context, and every error is a *Error whose Kind says what the caller may do next.
//   - An order whose answer was lost is Uncertain: the machine may be there, and ByName will tell sooner or later.
package cloud

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
)

// Labels that everything of ours carries. Values are of [a-z0-9-], at most 63 characters.
const (
	LabelManagedBy = "managed-by" // ManagedBy
	LabelCluster   = "cluster"    // the cluster's id: one project may hold several
	LabelRole      = "role"       // a Role
	LabelMachine   = "machine"    // id of the row in the store that the machine was ordered for
	ManagedBy      = "payperplay"
)

// Role is what something of ours in the cloud is for.
type Role string

// The roles.
const (
	RoleWorker  Role = "worker"
	RoleEdge    Role = "edge"
	RoleBuilder Role = "builder" // makes an image, and is gone after that
	RoleImage   Role = "image"   // a snapshot that spares boot from
	RoleFixture Role = "fixture" // network, firewall, placement group: one each per cluster
)

// State is what the provider says of a machine.
type State string

// The states. A machine that is off is paid for until it is deleted.
const (
	Starting State = "starting" // ordered, not yet on
	On       State = "on"
	Off      State = "off"
	Leaving  State = "leaving" // a deletion is under way
	Unclear  State = "unclear" // the provider itself does not know, or says a word that we do not
)

// Machine is what a provider rents us.
type Machine struct {
	ID       string // the provider's
	Name     string
	Labels   map[string]string
	Type     string
	Location string
	Image    string // id
	State    State
	Created  time.Time // the provider's clock: hours that are paid for start here
	IPv4     string    // public; "" if it has none
	IPv6     string
	Private  string // in our network
}

// Order asks for a machine.
type Order struct {
	Name     string
	Type     string
	Location string
	Image    string // id or, for the provider's own images, name
	UserData []byte // at most UserDataMax
	Labels   map[string]string
	Fixtures Fixtures
	SSHKey   string // name of a key that is in the project already; empty = none, the default
}

// UserDataMax is how much user-data a machine can be given, in bytes.
const UserDataMax = 32 << 10

// Fixtures are what all machines of a cluster share. Ids of the provider; empty = without.
type Fixtures struct {
	Network, Firewall, Spread string // Spread is a placement group that keeps machines on different hardware
}

// Type is a kind of machine that can be rented.
type Type struct {
	Name        string
	Arch        string // GOARCH
	CPUs        int
	Dedicated   bool // CPUs are not shared
	MemoryBytes int64
	DiskBytes   int64
	Retired     bool // cannot be ordered any more, or soon not
	Offers      []Offer
}

// Offer is what a type costs at a place, and whether it can be had there now.
type Offer struct {
	Location string
	Hourly   fleet.MicroEuro // per started hour, with what is always added (a public IPv4 address); net of VAT
	Monthly  fleet.MicroEuro // never more than this in a month; 0 = no such bound
	InStock  bool
}

// Catalogue is what can be rented, as it was At.
type Catalogue struct {
	At    time.Time
	Types []Type
}

// Find gives a type's offer at a location.
func (c Catalogue) Find(name, location string) (Type, Offer, bool) {
	for _, t := range c.Types {
		if t.Name != name {
			continue
		}
		for _, o := range t.Offers {
			if o.Location == location {
				return t, o, true
			}
		}
	}
	return Type{}, Offer{}, false
}

// Image is a disk that machines boot from: one of the provider's, or a snapshot of ours.
type Image struct {
	ID      string
	Name    string // of the provider's own; description of ours
	Arch    string // GOARCH
	Labels  map[string]string
	Created time.Time
	Bytes   int64
	Ready   bool
}

// Market tells what can be rented. It may answer from a cache of at most an hour, stock from one of at most a minute.
type Market interface {
	Catalogue(ctx context.Context) (Catalogue, error)
}

// Machines orders and ends machines.
type Machines interface {
	// Create orders a machine. It returns when the provider has taken the order; the machine is Starting. Kinds: Exists (a machine with the
	// name is there: maybe of an order whose answer was lost), NoStock, Limit, Invalid, Denied, RateLimited, Uncertain, Unavailable.
	Create(ctx context.Context, o Order) (Machine, error)
	// Get reads one by its id, past any cache, whosesoever it is: its labels tell (Ours). Kinds: NotFound.
	Get(ctx context.Context, id string) (Machine, error)
	// ByName reads one by its name, past any cache, whosesoever it is. Kinds: NotFound.
	ByName(ctx context.Context, name string) (Machine, error)
	// List gives all machines of the cluster. It may lag behind: absence here is no proof.
	List(ctx context.Context) ([]Machine, error)
	// Delete ends one for good, if it is labelled as the cluster's, and returns when the provider has taken the order: Get tells when it is
	// gone. One that is gone is no error. Kinds: Denied (not ours, or protected), Busy, Uncertain.
	Delete(ctx context.Context, id string) error
}

// Power turns machines off and on again. It is apart from Machines because only controller/recover may hold it (design.md §6.3): a game is
// ended by it without being asked.
type Power interface {
	// Off cuts the power and returns when the provider has confirmed it. One that is off is no error. Kinds: NotFound, Denied (not ours),
	// Busy, Uncertain (begun, and no word of how it ended).
	Off(ctx context.Context, id string) error
	// Reset cuts it and starts again. Kinds: as of Off.
	Reset(ctx context.Context, id string) error
}

// Images keeps the snapshots that spares boot from.
type Images interface {
	// Snapshot takes one of a machine and returns at once; the image is not Ready yet.
	Snapshot(ctx context.Context, machine, description string, labels map[string]string) (Image, error)
	Image(ctx context.Context, id string) (Image, error)
	// Images gives the cluster's snapshots, newest first.
	Images(ctx context.Context) ([]Image, error)
	// DeleteImage ends a snapshot. One that is gone is no error. Kinds: Denied (not ours, or none).
	DeleteImage(ctx context.Context, id string) error
}

// Ground is what machines stand on.
type Ground interface {
	// Prepare makes sure that network, firewall (no inbound port but the players' range) and placement group are there, once each. Called
	// before each order, it gives a placement group that has room.
	Prepare(ctx context.Context, w Want) (Fixtures, error)
	// Leftovers lists everything with the cluster's labels that costs money or space, machines and images included.
	Leftovers(ctx context.Context) ([]Thing, error)
	// Remove ends one of them that is not a machine. One that is gone is no error. Kinds: Busy (something uses it), Denied (not ours).
	Remove(ctx context.Context, t Thing) error
}

// Want is how the ground shall be.
type Want struct {
	Network  string // CIDR of the private network; empty = none
	Zone     string // network zone; empty = the one of the first location
	PortFrom int    // the players' ports
	PortTo   int
	Spread   bool
}

// ThingKind names what can be left over.
type ThingKind string

// The kinds.
const (
	ThingMachine  ThingKind = "machine"
	ThingImage    ThingKind = "image"
	ThingVolume   ThingKind = "volume"
	ThingNetwork  ThingKind = "network"
	ThingFirewall ThingKind = "firewall"
	ThingSpread   ThingKind = "placement_group"
	ThingAddress  ThingKind = "primary_ip"
)

// Thing is one labelled resource in the cloud.
type Thing struct {
	Kind    ThingKind
	ID      string
	Name    string
	Labels  map[string]string
	Created time.Time
	InUse   bool // by something else; it goes with that
}

// Provider is all of it.
type Provider interface {
	Market
	Machines
	Power
	Images
	Ground
}
