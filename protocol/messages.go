package protocol

import "time"

// NodeFacts is what an agent says about its machine.
type NodeFacts struct {
	Name         string   `json:"name"`
	Hostname     string   `json:"hostname"`
	MachineID    string   `json:"machine_id"`            // SMBIOS / cloud instance id, a hint only
	Boot         string   `json:"boot"`                  // boot id
	Arch         string   `json:"arch"`                  // GOARCH
	OS           string   `json:"os"`                    // pretty name
	Kernel       string   `json:"kernel"`                //
	AgentVersion string   `json:"agent_version"`         // build, for people
	Protocol     int      `json:"protocol"`              // protocol.Version of the agent
	Roles        []string `json:"roles"`                 // "worker", "edge"
	Addresses    []string `json:"addresses"`             // host addresses players may reach, best first
	CPUs         int      `json:"cpus"`                  //
	MemoryBytes  int64    `json:"memory_bytes"`          // of the machine, or what --memory allows
	DiskBytes    int64    `json:"disk_bytes"`            // of the file system that holds DATA
	PortFrom     int      `json:"port_from"`             // --ports A-B, inclusive
	PortTo       int      `json:"port_to"`               //
	Docker       string   `json:"docker"`                // engine version, empty when it does not answer
	Degraded     []string `json:"degraded,omitempty"`    // what this host cannot do, in plain words
	BridgePool   string   `json:"bridge_pool,omitempty"` // CIDR
}

// JoinRequest is sent once, over ppp-join.
type JoinRequest struct {
	Token string    `json:"token"`
	CSR   []byte    `json:"csr"` // PKCS #10, DER, signed by the bound key
	Facts NodeFacts `json:"facts"`
}

// JoinReply carries the node's identity.
type JoinReply struct {
	Node    string    `json:"node"` // id, as "node_…"
	Name    string    `json:"name"`
	Cluster string    `json:"cluster"`
	Cert    []byte    `json:"cert"` // DER
	CA      [][]byte  `json:"ca"`   // DER, the chain's roots
	Now     time.Time `json:"now"`  // controller's clock
}

// RecoverRequest proves possession of the bound key: Signature is over "ppp-recover\x00" + node + "\x00" + the TLS exporter value
// (RFC 5705, label "EXPORTER-payperplay-recover", 32 bytes) of this very connection, so it cannot be replayed on another.
type RecoverRequest struct {
	Node      string `json:"node"`
	CSR       []byte `json:"csr"`
	Signature []byte `json:"signature"`
}

// RenewRequest asks for a new certificate; the CSR must carry the bound key.
type RenewRequest struct {
	CSR []byte `json:"csr"`
}

// RenewReply carries it.
type RenewReply struct {
	Cert []byte    `json:"cert"`
	CA   [][]byte  `json:"ca"`
	Now  time.Time `json:"now"`
}

// Hello opens a control session.
type Hello struct {
	Facts         NodeFacts  `json:"facts"`
	Run           string     `json:"run"`                   // id of the agent process
	Generation    int64      `json:"generation"`            // rises with each session of this data directory; the newest wins
	Term          int64      `json:"term"`                  // highest the agent has seen
	NextSeq       int64      `json:"next_seq"`              // first report not yet acknowledged
	DroppedSeq    int64      `json:"dropped_seq,omitempty"` // reports up to here that were not acknowledged are lost: the node had no room for them
	Mark          []byte     `json:"mark,omitempty"`        // the newest that a controller gave; only controllers can make one
	InventoryHash string     `json:"inventory_hash"`        // sha256 over the sorted inventory; equal to the controller's = nothing to send
	Inventory     []Observed `json:"inventory,omitempty"`   // full, unless the hash matched last time
	Now           time.Time  `json:"now"`
}

// Welcome is the answer.
type Welcome struct {
	Cluster       string `json:"cluster"`
	Node          string `json:"node"`
	Version       int    `json:"version"` // protocol.Version of the controller
	Term          int64  `json:"term"`
	Session       string `json:"session"`
	AckSeq        int64  `json:"ack_seq"`        // reports up to here are known
	Mark          []byte `json:"mark,omitempty"` // vouches for Term and AckSeq: to be kept, and shown at each Hello
	NeedInventory bool   `json:"need_inventory"` // send Hello again with the inventory
	HeartbeatMS   int64  `json:"heartbeat_ms"`   // agent pings this often
	DeadMS        int64  `json:"dead_ms"`        // silence after which either side gives up
	// Epochs gives, for each server of the inventory that the controller knows, its current epoch. An older one on the node is stale: stopped, volume to quarantine.
	// A server that is missing here is left alone (the controller may be the one that forgot) and shown to the operator.
	Epochs map[string]int64 `json:"epochs"`
	Now    time.Time        `json:"now"`
}

// ReportBatch holds reports in the order of Seq, without holes.
type ReportBatch struct {
	Reports []Report `json:"reports"`
}

// Ack covers all reports up to Seq. Resend means: the controller missed some, start again after Seq.
type Ack struct {
	Seq    int64  `json:"seq"`
	Resend bool   `json:"resend,omitempty"`
	Mark   []byte `json:"mark,omitempty"` // as Welcome's, for Seq
}

// StartRequest orders a start.
type StartRequest struct {
	Spec  Spec   `json:"spec"`
	Grant Grant  `json:"grant"`
	Fresh bool   `json:"fresh"` // the first start of this epoch: the volume may be made if it is missing; else a missing identity file refuses the start
	Op    string `json:"op"`    // operation id, for logs and the identity of the order
	// Order rises with each order of any kind for the server. An agent refuses one that is lower than the highest it took at the same
	// epoch (kind stale): it was late. An equal one is the same order again and begins nothing anew; 0 is of a controller that numbers none and always taken.
	Order int64 `json:"order,omitempty"`
}

// StartReply says what the agent saw when it took the order.
type StartReply struct {
	Observed Observed `json:"observed"`
}

// StopRequest orders a stop.
type StopRequest struct {
	Server  string `json:"server"`
	Epoch   int64  `json:"epoch"`
	Reason  string `json:"reason"`        // told to players
	Grace   int    `json:"grace_seconds"` // 0 = the spec's
	Restart bool   `json:"restart"`       // start again under the same grant after the stop
	Op      string `json:"op"`
	Order   int64  `json:"order,omitempty"` // as in StartRequest
}

// StopReply says what the agent saw when it took the order.
type StopReply struct {
	Observed Observed `json:"observed"`
}

// KillRequest orders a kill.
type KillRequest struct {
	Server string `json:"server"`
	Epoch  int64  `json:"epoch"`
	Op     string `json:"op"`
	Order  int64  `json:"order,omitempty"` // as in StartRequest
}

// KillReply says what the agent saw.
type KillReply struct {
	Observed Observed `json:"observed"`
}

// RemoveRequest orders that a server leaves the node. Volume says what happens to its files.
type RemoveRequest struct {
	Server string       `json:"server"`
	Epoch  int64        `json:"epoch"`
	Volume VolumeOnGone `json:"volume"`
	Op     string       `json:"op"`
	Order  int64        `json:"order,omitempty"` // as in StartRequest
}

// VolumeOnGone is what happens to a volume when its server leaves.
type VolumeOnGone string

// The choices.
const (
	VolumeDelete     VolumeOnGone = "delete"
	VolumeQuarantine VolumeOnGone = "quarantine" // set aside for 7 days
)

// RemoveReply says that the removal was taken; a RemovedFact follows.
type RemoveReply struct{}

// InventoryRequest asks for all servers.
type InventoryRequest struct {
	// Details names servers of which the agent is asked to tell also what it was ordered: a controller whose store was restored
	// from a backup learns by it what it has forgotten. At most 64.
	Details []string `json:"details,omitempty"`
}

// Inventory is the answer.
type Inventory struct {
	Servers []Observed `json:"servers"`
	Hash    string     `json:"hash"`
	Details []Detail   `json:"details,omitempty"` // of those asked for that the agent has in its journal
	// Orders gives, of those asked for, the number of the newest order that was taken, also where nothing of the server is left: a
	// controller whose store was restored from a backup goes on above it.
	Orders map[string]int64 `json:"orders,omitempty"`
}

// Detail is what an agent was ordered about one server.
type Detail struct {
	Spec  Spec  `json:"spec"`
	Grant Grant `json:"grant"`
	Fresh bool  `json:"fresh"` // its volume was not made yet
}

// Line is one line of a server's console. Seq starts at 1, never repeats and never goes back for the life of the volume.
type Line struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	Text string    `json:"text"`           // valid UTF-8; other bytes are escaped as \xNN; escape codes are data
	Kind LineKind  `json:"kind,omitempty"` // empty = the game's own output
}

// LineKind marks lines that are not simply the game's output.
type LineKind string

// The kinds.
const (
	LineGap     LineKind = "gap"     // lines were lost here: Text says how many and why
	LineCommand LineKind = "command" // a command someone sent
	LineSystem  LineKind = "system"  // the agent speaking: started, stopped, crashed
	LinePart    LineKind = "part"    // a piece of a line over 16 KiB; more follows
)

// LineBatch is what one emit carries.
type LineBatch struct {
	Lines []Line `json:"lines"`
	Head  int64  `json:"head"` // newest Seq on the node when this was sent
}

// LinesRequest reads history. From and To are sequence numbers, both inclusive, 0 = open.
type LinesRequest struct {
	Server string    `json:"server"`
	From   int64     `json:"from"`
	To     int64     `json:"to"`
	Since  time.Time `json:"since,omitzero"`
	Limit  int       `json:"limit"`  // at most 10,000; 0 = 1,000
	Tail   bool      `json:"tail"`   // the last Limit lines instead of the first
	Search string    `json:"search"` // only lines that contain this, without regard to case
}

// LinesReply is the answer. First and Head say what the node holds.
type LinesReply struct {
	Lines []Line `json:"lines"`
	First int64  `json:"first"`
	Head  int64  `json:"head"`
	More  bool   `json:"more"` // the limit cut it
}

// FollowRequest follows from After (exclusive); -N means: start with the last N lines.
type FollowRequest struct {
	Server string `json:"server"`
	After  int64  `json:"after"`
}

// CommandRequest is one console command, without line break, at most 4 KiB.
type CommandRequest struct {
	Server  string `json:"server"`
	Epoch   int64  `json:"epoch"`
	Command string `json:"command"`
	Actor   string `json:"actor"`
}

// CommandReply carries the game's answer where there is one.
type CommandReply struct {
	Output string `json:"output"`
	Via    string `json:"via"` // "rcon" or "stdin"
}

// ExportRequest asks for the whole history as text.
type ExportRequest struct {
	Server string `json:"server"`
}

// SampleRequest asks for figures.
type SampleRequest struct{}

// Sample holds figures of one moment. Sizes are bytes, CPU is nanoseconds used since the container started.
type Sample struct {
	At      time.Time      `json:"at"`
	Host    HostSample     `json:"host"`
	Servers []ServerSample `json:"servers"`
}

// HostSample is the machine.
type HostSample struct {
	CPUBusy       float64 `json:"cpu_busy"` // ratio 0…1 over the last sample interval
	MemoryUsed    int64   `json:"memory_used"`
	MemoryTotal   int64   `json:"memory_total"`
	DiskUsed      int64   `json:"disk_used"`
	DiskTotal     int64   `json:"disk_total"`
	InodesFree    int64   `json:"inodes_free"`
	Load1         float64 `json:"load1"`
	UptimeSeconds int64   `json:"uptime_seconds"`
}

// ServerSample is one server. Players is -1 and TPS is -1 when not known: an unknown player count counts as occupied.
type ServerSample struct {
	Server      string    `json:"server"`
	Epoch       int64     `json:"epoch"`
	State       State     `json:"state"`
	MemoryBytes int64     `json:"memory_bytes"`
	MemoryLimit int64     `json:"memory_limit"`
	CPUNanos    int64     `json:"cpu_nanos"`
	CPUCores    float64   `json:"cpu_cores"` // used over the last sample interval
	DiskBytes   int64     `json:"disk_bytes"`
	NetRx       int64     `json:"net_rx"`
	NetTx       int64     `json:"net_tx"`
	Players     int       `json:"players"`
	PlayersMax  int       `json:"players_max"`
	PlayerNames []string  `json:"player_names,omitempty"`
	Connections int       `json:"connections"` // established TCP connections on the game port
	TPS         float64   `json:"tps"`
	Started     time.Time `json:"started,omitzero"`
}

// CheckRequest asks for a health check.
type CheckRequest struct{}

// CheckReply is its result.
type CheckReply struct {
	OK       bool      `json:"ok"`
	Problems []string  `json:"problems,omitempty"` // plain words
	Degraded []string  `json:"degraded,omitempty"`
	Docker   string    `json:"docker"`
	Now      time.Time `json:"now"`
}

// OpenBulkRequest asks for a bulk connection; Ticket is repeated in its first bytes.
type OpenBulkRequest struct {
	Ticket string `json:"ticket"`
}

// OpenBulkReply says that the agent is dialling.
type OpenBulkReply struct{}

// GoodbyeRequest ends a session with a reason. Retry false means: do not dial again by yourself (revoked).
// SpreadMS is the time over which agents spread their return, so that thousands do not come at once; each waits a random part of it.
type GoodbyeRequest struct {
	Reason   string `json:"reason"`
	Retry    bool   `json:"retry"`
	SpreadMS int64  `json:"spread_ms,omitempty"`
}

// GoodbyeReply acknowledges.
type GoodbyeReply struct{}
