package supervisor

import (
	"context"
	"net/netip"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/agent/volume"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/minecraft"
)

// Journal is what must survive this process and its machine; agent/state's is the real one.
// Rows of servers are on disk when Save and Drop return, together with the facts; Rows and Bridges of one Journal share its transactions.
type Journal interface {
	Rows
	Bridges
	// Boot is the boot id of the machine.
	Boot() string
	// SeeTerm keeps the highest term of a controller; kind Stale for a lower one.
	SeeTerm(ctx context.Context, term int64) error
}

// Rows are the servers of the journal and the reports about them.
type Rows interface {
	Save(ctx context.Context, row state.Server, facts ...protocol.Fact) error
	Drop(ctx context.Context, server string, facts ...protocol.Fact) error
	Append(ctx context.Context, facts ...protocol.Fact) error
	Servers(ctx context.Context) ([]state.Server, error)
	// NoteOrder remembers the newest order of a server that has no row, as Drop does of one that leaves; LastOrder reads it, or the row's.
	NoteOrder(ctx context.Context, server string, o state.Order) error
	LastOrder(ctx context.Context, server string) (state.Order, error)
}

// Bridges are the networks that were given to servers.
type Bridges interface {
	Bridge(ctx context.Context, server string, avoid []netip.Prefix) (netip.Prefix, error)
	FreeBridge(ctx context.Context, server string) error
}

// Engine runs containers; agent/docker's is the real one.
type Engine interface {
	Containers
	Networks
	// EnsureImage gets an image that is not there; pulled tells whether it had to.
	EnsureImage(ctx context.Context, image, hint string, progress func(string)) (pulled bool, err error)
	// Watch calls changed when something happened to a server's container, and with "" when anything may have; until ctx ends.
	Watch(ctx context.Context, changed func(server string))
	// Terminal is a container's output and input.
	Terminal(container string) *docker.Terminal
	// Name is the node's name for people.
	Name() string
}

// Containers are this node's. One that is not there is a NotFound fault of Inspect and fine for the others.
type Containers interface {
	Create(ctx context.Context, r docker.Run) (id string, err error)
	Start(ctx context.Context, id string) error
	Signal(ctx context.Context, id, signal string) error
	Remove(ctx context.Context, id string) error
	Inspect(ctx context.Context, id string) (docker.Container, error)
	List(ctx context.Context, server string) ([]docker.Container, error)
}

// Networks are the servers' bridges.
type Networks interface {
	EnsureNetwork(ctx context.Context, server string, subnet netip.Prefix) error
	RemoveNetwork(ctx context.Context, server string) error
	Networks(ctx context.Context) ([]string, error)
}

// Volumes are the servers' files on this node; agent/volume's are the real ones.
type Volumes interface {
	Kept
	// Prepare makes sure that the server's volume is there and its own; a fresh one may be made.
	Prepare(server string, epoch int64, fresh bool, uid, gid int) error
	// Data is the path that the container gets.
	Data(server string) string
	Remove(server string) error
	// Quarantine sets a volume aside under a new name.
	Quarantine(server string, epoch int64, now time.Time) (string, error)
}

// Kept is what is known of volumes without the journal.
type Kept interface {
	List() ([]string, error)
	Identity(server string) (protocol.Identity, error)
	// Sweep deletes what has been in quarantine for long enough.
	Sweep(now time.Time) ([]string, error)
}

// Ping asks a game for its server-list status.
type Ping func(ctx context.Context, c docker.Container) (minecraft.Status, error)

var (
	_ Journal = (*state.Journal)(nil)
	_ Engine  = (*docker.Client)(nil)
	_ Volumes = (*volume.Store)(nil)
)
