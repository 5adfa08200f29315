package protocol

import (
	"context"
	"io"
)

// The facets. Each is implemented for real on one side and as a remote stub in protocol/rpc, so every room can be tested in-process against the real other side.
// All methods honour ctx; through the tunnel its deadline travels as a relative time and every call has one.
// Errors are *Fault where a person can do something about them.

// Runtime is implemented by the agent's supervisor and called by the controller's lifecycle room.
// Every method is idempotent: asking for what is already so, or under way, succeeds.
type Runtime interface {
	// Start makes the server run under the grant: volume, identity file, bridge, image, container. It returns when the grant is durable;
	// what follows is told by reports. Faults: Stale (older epoch or term, other boot), Conflict (a stop is under way), Invalid (spec).
	Start(ctx context.Context, req StartRequest) (StartReply, error)
	// Stop ends the server as its StopRule says. It returns when the stop is under way. It wins over a start. A server that is not there is not an error.
	Stop(ctx context.Context, req StopRequest) (StopReply, error)
	// Kill ends the server's container at once. It wins over everything.
	Kill(ctx context.Context, req KillRequest) (KillReply, error)
	// Remove deletes container, bridge and, if asked, the volume; a RemovedFact follows.
	Remove(ctx context.Context, req RemoveRequest) (RemoveReply, error)
	// Inventory lists all servers this node has something of.
	Inventory(ctx context.Context, req InventoryRequest) (Inventory, error)
}

// Console is implemented by the agent's console room and called by the controller's.
type Console interface {
	// Lines reads history: the newest Limit lines after From when From > 0, else the last Limit.
	Lines(ctx context.Context, req LinesRequest) (LinesReply, error)
	// Follow calls emit with every line after req.After, first from history, then live, without gap or double, until ctx ends, emit fails or the server is removed.
	Follow(ctx context.Context, req FollowRequest, emit func(LineBatch) error) error
	// Command runs one console command and gives what the game answered (RCON) or nothing (stdin; the answer is in the console).
	Command(ctx context.Context, req CommandRequest) (CommandReply, error)
	// Export writes the history as text to w; it travels as raw bytes over ppp-bulk.
	Export(ctx context.Context, req ExportRequest, w io.Writer) error
}

// Host is implemented by the agent and called by the controller.
type Host interface {
	// Sample gives current figures of the machine and of its servers; it must cost the agent next to nothing (no Docker stats call).
	Sample(ctx context.Context, req SampleRequest) (Sample, error)
	// Check is the health check: Docker answers, disk has room, clock is near; it never blocks on a hung Docker longer than its deadline.
	Check(ctx context.Context, req CheckRequest) (CheckReply, error)
	// OpenBulk asks the agent to dial a ppp-bulk connection.
	OpenBulk(ctx context.Context, req OpenBulkRequest) (OpenBulkReply, error)
	// Goodbye tells the agent that the controller ends this session on purpose and why (shutdown, newer session, revoked).
	Goodbye(ctx context.Context, req GoodbyeRequest) (GoodbyeReply, error)
}

// Home is implemented by the controller and called by agents.
type Home interface {
	// Hello opens a session: who I am, what I have. Faults: Unauthorized, Stale (a newer generation is connected), Invalid (version not served).
	Hello(ctx context.Context, req Hello) (Welcome, error)
	// Report hands over durable reports, oldest first. What Ack covers may be forgotten by the agent.
	Report(ctx context.Context, req ReportBatch) (Ack, error)
	// Renew gives a new certificate for the same bound key.
	Renew(ctx context.Context, req RenewRequest) (RenewReply, error)
}

// Door is what the controller offers on ppp-join, to agents that have no certificate (yet, or any more).
type Door interface {
	// Join trades a join token for a certificate. Faults: Unauthorized (unknown, used, expired or wrongly bound token), Conflict (name taken).
	Join(ctx context.Context, req JoinRequest) (JoinReply, error)
	// Recover trades a proof of the bound key for a new certificate, after weeks offline. At most 3 times without an operator.
	Recover(ctx context.Context, req RecoverRequest) (JoinReply, error)
}
