package protocol

// Caller says which side may call a method.
type Caller string

// The sides.
const (
	ByController Caller = "controller"
	ByAgent      Caller = "agent"
	ByStranger   Caller = "stranger" // ppp-join: no certificate
)

// Shape says what follows the request on the call's stream.
type Shape string

// The shapes.
const (
	Unary  Shape = "unary"  // one response
	Stream Shape = "stream" // many responses until either side ends it
	Raw    Shape = "raw"    // one response, then raw bytes to the caller
)

// Object names something a call touches, for the authorizer.
type Object struct {
	Kind string // "server" or "node"
	ID   string
	// Epoch is the epoch the caller claims for a server; 0 = it claims none.
	Epoch int64
}

// Method is one row of the RPC table. Name and ID travel the wire: never reuse an ID.
type Method[Req, Resp any] struct {
	ID     uint16
	Name   string
	Caller Caller
	Shape  Shape
	Bulk   bool // travels ppp-bulk, not ppp-control
	// Objects lists what a request touches. Methods called by agents must have it (TestTableHasAuthorizers); nil elsewhere means: no objects.
	Objects func(Req) []Object
}

// The RPC table. All lists the same rows without their types.
var (
	DoorJoin    = Method[JoinRequest, JoinReply]{ID: 1, Name: "Door.Join", Caller: ByStranger, Shape: Unary, Objects: none[JoinRequest]}
	DoorRecover = Method[RecoverRequest, JoinReply]{ID: 2, Name: "Door.Recover", Caller: ByStranger, Shape: Unary, Objects: func(r RecoverRequest) []Object { return []Object{{Kind: "node", ID: r.Node}} }}

	HomeHello  = Method[Hello, Welcome]{ID: 10, Name: "Home.Hello", Caller: ByAgent, Shape: Unary, Objects: helloObjects}
	HomeReport = Method[ReportBatch, Ack]{ID: 11, Name: "Home.Report", Caller: ByAgent, Shape: Unary, Objects: reportObjects}
	HomeRenew  = Method[RenewRequest, RenewReply]{ID: 12, Name: "Home.Renew", Caller: ByAgent, Shape: Unary, Objects: none[RenewRequest]}

	RuntimeStart     = Method[StartRequest, StartReply]{ID: 20, Name: "Runtime.Start", Caller: ByController, Shape: Unary}
	RuntimeStop      = Method[StopRequest, StopReply]{ID: 21, Name: "Runtime.Stop", Caller: ByController, Shape: Unary}
	RuntimeKill      = Method[KillRequest, KillReply]{ID: 22, Name: "Runtime.Kill", Caller: ByController, Shape: Unary}
	RuntimeRemove    = Method[RemoveRequest, RemoveReply]{ID: 23, Name: "Runtime.Remove", Caller: ByController, Shape: Unary}
	RuntimeInventory = Method[InventoryRequest, Inventory]{ID: 24, Name: "Runtime.Inventory", Caller: ByController, Shape: Unary}

	ConsoleLines   = Method[LinesRequest, LinesReply]{ID: 30, Name: "Console.Lines", Caller: ByController, Shape: Unary}
	ConsoleFollow  = Method[FollowRequest, LineBatch]{ID: 31, Name: "Console.Follow", Caller: ByController, Shape: Stream}
	ConsoleCommand = Method[CommandRequest, CommandReply]{ID: 32, Name: "Console.Command", Caller: ByController, Shape: Unary}
	ConsoleExport  = Method[ExportRequest, struct{}]{ID: 33, Name: "Console.Export", Caller: ByController, Shape: Raw, Bulk: true}

	HostSampleNow = Method[SampleRequest, Sample]{ID: 40, Name: "Host.Sample", Caller: ByController, Shape: Unary}
	HostCheck     = Method[CheckRequest, CheckReply]{ID: 41, Name: "Host.Check", Caller: ByController, Shape: Unary}
	HostOpenBulk  = Method[OpenBulkRequest, OpenBulkReply]{ID: 42, Name: "Host.OpenBulk", Caller: ByController, Shape: Unary}
	HostGoodbye   = Method[GoodbyeRequest, GoodbyeReply]{ID: 43, Name: "Host.Goodbye", Caller: ByController, Shape: Unary}
)

// Row is a Method without its types.
type Row struct {
	ID     uint16
	Name   string
	Caller Caller
	Shape  Shape
	Bulk   bool
	// Authorized tells whether the row says which objects its requests touch.
	Authorized bool
	// NewRequest and NewResponse give pointers to zero values, for goldens and generated tests.
	NewRequest, NewResponse func() any
	// ObjectsOf calls the method's Objects with a request of its type.
	ObjectsOf func(req any) []Object
}

// Row drops the types of m.
func (m Method[Req, Resp]) Row() Row {
	r := Row{ID: m.ID, Name: m.Name, Caller: m.Caller, Shape: m.Shape, Bulk: m.Bulk, Authorized: m.Objects != nil}
	r.NewRequest = func() any { return new(Req) }
	r.NewResponse = func() any { return new(Resp) }
	r.ObjectsOf = func(req any) []Object {
		q, ok := req.(*Req)
		if !ok || m.Objects == nil {
			return nil
		}
		return m.Objects(*q)
	}
	return r
}

// All gives every row of the table in the order of ID.
func All() []Row {
	return []Row{
		DoorJoin.Row(), DoorRecover.Row(),
		HomeHello.Row(), HomeReport.Row(), HomeRenew.Row(),
		RuntimeStart.Row(), RuntimeStop.Row(), RuntimeKill.Row(), RuntimeRemove.Row(), RuntimeInventory.Row(),
		ConsoleLines.Row(), ConsoleFollow.Row(), ConsoleCommand.Row(), ConsoleExport.Row(),
		HostSampleNow.Row(), HostCheck.Row(), HostOpenBulk.Row(), HostGoodbye.Row(),
	}
}

func none[Req any](Req) []Object { return nil }

// helloObjects: an inventory may name any server; the controller answers with the epochs it knows and treats the rest as stale, so naming grants nothing.
func helloObjects(Hello) []Object { return nil }

func reportObjects(b ReportBatch) []Object {
	var out []Object
	for _, r := range b.Reports {
		switch f := r.Fact; {
		case f.Observed != nil:
			out = append(out, Object{Kind: "server", ID: f.Observed.Server, Epoch: f.Observed.Epoch})
		case f.Player != nil:
			out = append(out, Object{Kind: "server", ID: f.Player.Server, Epoch: f.Player.Epoch})
		case f.Removed != nil:
			out = append(out, Object{Kind: "server", ID: f.Removed.Server, Epoch: f.Removed.Epoch})
		}
	}
	return out
}
