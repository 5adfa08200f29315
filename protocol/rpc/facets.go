package rpc

import (
	"context"
	"io"

	"github.com/payperplay/payperplay/protocol"
)

// ServeRuntime registers the methods of a Runtime.
func ServeRuntime(m *Mux, r protocol.Runtime) {
	Handle(m, protocol.RuntimeStart, r.Start)
	Handle(m, protocol.RuntimeStop, r.Stop)
	Handle(m, protocol.RuntimeKill, r.Kill)
	Handle(m, protocol.RuntimeRemove, r.Remove)
	Handle(m, protocol.RuntimeInventory, r.Inventory)
}

// ServeConsole registers the methods of a Console. Export may also be served on bulk sessions: use the same Mux there.
func ServeConsole(m *Mux, c protocol.Console) {
	Handle(m, protocol.ConsoleLines, c.Lines)
	HandleStream(m, protocol.ConsoleFollow, c.Follow)
	Handle(m, protocol.ConsoleCommand, c.Command)
	HandleRaw(m, protocol.ConsoleExport, c.Export)
}

// ServeHost registers the methods of a Host.
func ServeHost(m *Mux, h protocol.Host) {
	Handle(m, protocol.HostSampleNow, h.Sample)
	Handle(m, protocol.HostCheck, h.Check)
	Handle(m, protocol.HostOpenBulk, h.OpenBulk)
	Handle(m, protocol.HostGoodbye, h.Goodbye)
}

// ServeHome registers the methods of a Home; each call passes the Mux's authorizer.
func ServeHome(m *Mux, h protocol.Home) {
	Handle(m, protocol.HomeHello, h.Hello)
	Handle(m, protocol.HomeReport, h.Report)
	Handle(m, protocol.HomeRenew, h.Renew)
}

var (
	_ protocol.Runtime = (*Remote)(nil)
	_ protocol.Console = (*Remote)(nil)
	_ protocol.Host    = (*Remote)(nil)
	_ protocol.Home    = (*home)(nil)
)

// Remote is an agent as the controller sees it: Runtime, Console and Host through its sessions.
type Remote struct {
	control *Session
	bulk    func(context.Context) (*Session, error)
}

// NewRemote makes one. bulk gives a session for methods that travel ppp-bulk, dialled on request; nil = all travel control.
func NewRemote(control *Session, bulk func(ctx context.Context) (*Session, error)) *Remote {
	return &Remote{control: control, bulk: bulk}
}

// Session gives the control session.
func (r *Remote) Session() *Session { return r.control }

// Start is protocol.Runtime's.
func (r *Remote) Start(ctx context.Context, req protocol.StartRequest) (protocol.StartReply, error) {
	return Call(ctx, r.control, protocol.RuntimeStart, req)
}

// Stop is protocol.Runtime's.
func (r *Remote) Stop(ctx context.Context, req protocol.StopRequest) (protocol.StopReply, error) {
	return Call(ctx, r.control, protocol.RuntimeStop, req)
}

// Kill is protocol.Runtime's.
func (r *Remote) Kill(ctx context.Context, req protocol.KillRequest) (protocol.KillReply, error) {
	return Call(ctx, r.control, protocol.RuntimeKill, req)
}

// Remove is protocol.Runtime's.
func (r *Remote) Remove(ctx context.Context, req protocol.RemoveRequest) (protocol.RemoveReply, error) {
	return Call(ctx, r.control, protocol.RuntimeRemove, req)
}

// Inventory is protocol.Runtime's.
func (r *Remote) Inventory(ctx context.Context, req protocol.InventoryRequest) (protocol.Inventory, error) {
	return Call(ctx, r.control, protocol.RuntimeInventory, req)
}

// Lines is protocol.Console's.
func (r *Remote) Lines(ctx context.Context, req protocol.LinesRequest) (protocol.LinesReply, error) {
	return Call(ctx, r.control, protocol.ConsoleLines, req)
}

// Follow is protocol.Console's.
func (r *Remote) Follow(ctx context.Context, req protocol.FollowRequest, emit func(protocol.LineBatch) error) error {
	return CallStream(ctx, r.control, protocol.ConsoleFollow, req, emit)
}

// Command is protocol.Console's.
func (r *Remote) Command(ctx context.Context, req protocol.CommandRequest) (protocol.CommandReply, error) {
	return Call(ctx, r.control, protocol.ConsoleCommand, req)
}

// Export is protocol.Console's; it travels ppp-bulk.
func (r *Remote) Export(ctx context.Context, req protocol.ExportRequest, w io.Writer) error {
	s := r.control
	if r.bulk != nil {
		var err error
		if s, err = r.bulk(ctx); err != nil {
			return err
		}
	}
	return CallRaw(ctx, s, protocol.ConsoleExport, req, w)
}

// Sample is protocol.Host's.
func (r *Remote) Sample(ctx context.Context, req protocol.SampleRequest) (protocol.Sample, error) {
	return Call(ctx, r.control, protocol.HostSampleNow, req)
}

// Check is protocol.Host's.
func (r *Remote) Check(ctx context.Context, req protocol.CheckRequest) (protocol.CheckReply, error) {
	return Call(ctx, r.control, protocol.HostCheck, req)
}

// OpenBulk is protocol.Host's.
func (r *Remote) OpenBulk(ctx context.Context, req protocol.OpenBulkRequest) (protocol.OpenBulkReply, error) {
	return Call(ctx, r.control, protocol.HostOpenBulk, req)
}

// Goodbye is protocol.Host's.
func (r *Remote) Goodbye(ctx context.Context, req protocol.GoodbyeRequest) (protocol.GoodbyeReply, error) {
	return Call(ctx, r.control, protocol.HostGoodbye, req)
}

type home struct{ s *Session }

// NewHome is the controller as an agent sees it.
func NewHome(s *Session) protocol.Home { return &home{s} }

func (h *home) Hello(ctx context.Context, req protocol.Hello) (protocol.Welcome, error) {
	return Call(ctx, h.s, protocol.HomeHello, req)
}

func (h *home) Report(ctx context.Context, req protocol.ReportBatch) (protocol.Ack, error) {
	return Call(ctx, h.s, protocol.HomeReport, req)
}

func (h *home) Renew(ctx context.Context, req protocol.RenewRequest) (protocol.RenewReply, error) {
	return Call(ctx, h.s, protocol.HomeRenew, req)
}
