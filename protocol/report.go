package protocol

import "time"

// State is what an agent sees of a server. "unknown" is not among them: it is computed from the node's last contact.
type State string

// The observed states.
const (
	StateAbsent   State = "absent"   // nothing of it runs; its volume may be there
	StatePulling  State = "pulling"  // the image is being fetched
	StateStarting State = "starting" // the container runs, the game does not answer yet
	StateRunning  State = "running"  // the game answered a server-list ping
	StateStopping State = "stopping"
	StateStopped  State = "stopped" // ended as asked
	StateCrashed  State = "crashed" // ended unasked; the agent will try again (Retry) or has given up
	StateFailed   State = "failed"  // could not be started: Problem says why
)

// Observed is the whole of what an agent knows about one server; each report of a server replaces the one before.
type Observed struct {
	Server    string    `json:"server"`
	Epoch     int64     `json:"epoch"`
	Revision  int64     `json:"revision"`        // of the spec that runs
	Order     int64     `json:"order,omitempty"` // number of the newest order that was taken when this was seen; 0: the agent cannot tell
	State     State     `json:"state"`
	Since     time.Time `json:"since"` // agent's clock, UTC
	Container string    `json:"container,omitempty"`
	Started   time.Time `json:"started,omitzero"` // container start
	// MemoryBytes and CPUMillis (1000 = one core) are the limits of the container that runs, which a change of the spec does not
	// move; 0 where there is none, or where the agent cannot tell.
	MemoryBytes int64     `json:"memory_bytes,omitempty"`
	CPUMillis   int64     `json:"cpu_millis,omitempty"`
	Ready       time.Time `json:"ready,omitzero"`
	Exit        *Exit     `json:"exit,omitempty"`     // of the last run
	Restarts    int       `json:"restarts"`           // within the window
	Retry       time.Time `json:"retry,omitzero"`     // when the agent tries again
	Problem     *Fault    `json:"problem,omitempty"`  // why it failed or does not go on
	Progress    string    `json:"progress,omitempty"` // for long work: "pulling image: 40 %"
	Address     string    `json:"address,omitempty"`  // host:port on the node
	Runtime     string    `json:"runtime,omitempty"`  // version the game told
}

// Exit says how a container ended.
type Exit struct {
	Code     int       `json:"code"`
	OOM      bool      `json:"oom"`
	Asked    bool      `json:"asked"`  // by stop or kill
	Killed   bool      `json:"killed"` // SIGKILL after the grace, or kill
	At       time.Time `json:"at"`
	LastLine []string  `json:"last_lines,omitempty"` // at most 20 lines, for "why did it crash"
	Advice   string    `json:"advice,omitempty"`     // next step in plain words
}

// Fact is one thing that happened on a node. Exactly one of the pointers is set.
type Fact struct {
	Observed *Observed    `json:"observed,omitempty"`
	Player   *PlayerFact  `json:"player,omitempty"`
	Removed  *RemovedFact `json:"removed,omitempty"`
	Image    *ImageFact   `json:"image,omitempty"`
}

// PlayerFact says that a player joined or left.
type PlayerFact struct {
	Server string `json:"server"`
	Epoch  int64  `json:"epoch"`
	Name   string `json:"name"`
	Joined bool   `json:"joined"`
}

// RemovedFact says that container, bridge and volume of a server are gone from the node.
type RemovedFact struct {
	Server      string `json:"server"`
	Epoch       int64  `json:"epoch"`
	Quarantined bool   `json:"quarantined"` // the volume was set aside, not deleted
}

// ImageFact says that an image came to the node or could not be had.
type ImageFact struct {
	Image   string `json:"image"`
	Problem *Fault `json:"problem,omitempty"`
}

// Report is one durable message of an agent. (Boot, Run, Seq) is its identity: the intake takes each once. Seq is gap-free per node data directory and never reset.
type Report struct {
	Boot string    `json:"boot"` // boot id of the machine
	Run  string    `json:"run"`  // id of the agent process
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"` // agent's clock, UTC
	Fact Fact      `json:"fact"`
}
