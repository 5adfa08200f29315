// Package plant holds the names of bugs that can be planted on purpose, so that the simulator can show that it finds them.
//
// A room carries a planted bug as one line, where a guard stands:
//
//	if row.Grant.Boot != v.Boot && !plant.On(plant.StartWithoutGrant) { … }
//
// Without the build tag "plants" On is a constant false: the compiler drops the line, and a release binary holds neither the bugs nor
// their names. With the tag one bug lives: the one that the environment variable PPP_PLANT names when the process starts.
package plant

// Name names a bug.
type Name string

// EnvName is the environment variable that chooses the bug of a binary built with -tags plants.
const EnvName = "PPP_PLANT"

// The bugs.
const (
	GrantWithoutFsync   Name = "grant-without-fsync"
	EventBeforeCommit   Name = "event-before-commit"
	MemoryReleasedTwice Name = "memory-released-twice"
	MissingRecheck      Name = "missing-recheck"
	StaleTermWrite      Name = "stale-term-write"
	StartWithoutGrant   Name = "start-on-new-boot-without-grant"
	BlindController     Name = "blind-controller-resets"
	ReportCountedTwice  Name = "report-counted-twice"

	StopLosesToStart  Name = "stop-loses-to-start"
	ReleaseOnUnknown  Name = "release-on-unknown"
	EpochNotRaised    Name = "epoch-not-raised"
	SequenceGap       Name = "sequence-gap"
	Overbooked        Name = "overbooked"
	ReportAckedUnkept Name = "report-acked-unkept"
	NodeClockBelieved Name = "node-clock-believed"
	LogClockFalls     Name = "log-clock-falls"
	LateOrder         Name = "late-order"

	CreateCountedTwice Name = "create-counted-twice"
	DeleteWithServer   Name = "delete-with-server"
	CapOutsideTx       Name = "cap-outside-tx"
)

// Plant is one bug and what it does.
type Plant struct {
	Name Name
	What string // what goes wrong, and where the line is
}

// Names lists all bugs.
func Names() []Plant {
	return []Plant{
		{GrantWithoutFsync, "a start is answered before its grant is in the journal: the next write of the row brings it there (agent/supervisor)"},
		{EventBeforeCommit, "followers of the log are woken inside the transaction and not after it: they look too early and miss the event (controller/event)"},
		{MemoryReleasedTwice, "releasing memory that is free already takes it off the node's sum once more (controller/fleet)"},
		{MissingRecheck, "what the loop found to do is done although the row has changed meanwhile: not decided again in the transaction (controller/lifecycle)"},
		{StaleTermWrite, "a replaced controller still writes, and agents take its orders (controller/store/bolt, agent/state, agent/supervisor)"},
		{StartWithoutGrant, "after a reboot the agent starts what its journal knows under the grant of the last boot (agent/supervisor)"},
		{BlindController, "a node that is not connected counts as dead: its servers are placed elsewhere at once (controller/lifecycle)"},
		{ReportCountedTwice, "a report that comes again is taken again (controller/tunnel)"},
		{StopLosesToStart, "a start that meets a stop under way cancels it (agent/supervisor)"},
		{ReleaseOnUnknown, "a stop frees memory when it is asked for, not when the node says that nothing runs (controller/lifecycle)"},
		{EpochNotRaised, "a second placement gives a server the epoch it had at its first (controller/fleet)"},
		{SequenceGap, "a number of the event log is left out (controller/event)"},
		{Overbooked, "a node's room is not looked at again when it is booked (controller/fleet)"},
		{ReportAckedUnkept, "reports are acknowledged although their transaction failed (controller/tunnel)"},
		{NodeClockBelieved, "the time of a report goes into rows as if it were the controller's (controller/fleet)"},
		{LogClockFalls, "the log's time goes back with the controller's clock (controller/event)"},
		{LateOrder, "an order that arrives after a newer one is carried out all the same: its number is not looked at (agent/supervisor)"},
		{CreateCountedTwice, "an order whose answer was lost is sent again under another name, without asking whether it has arrived (controller/provision)"},
		{DeleteWithServer, "a machine is deleted although a server was placed on it: nobody looks in the transaction (controller/provision)"},
		{CapOutsideTx, "the caps are asked before the transaction that writes an order: two orders at once both pass (controller/provision)"},
	}
}
