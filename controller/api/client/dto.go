// Package client holds what travels over the HTTP API (the DTOs) and a Go client for it, which the CLI uses.
// The OpenAPI document is made from these types by controller/api.
package client

import "time"

// Page is one page of a list. Next is the cursor of the following page, empty at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Problem is an error as RFC 9457 (application/problem+json) says, with our code and the next step.
type Problem struct {
	Type     string `json:"type"` // "about:blank" or a path under /api/docs
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Code     string `json:"code"`           // a protocol.Code: "not_found"
	Next     string `json:"next,omitempty"` // what to do about it
	Instance string `json:"instance,omitempty"`
	Request  string `json:"request_id,omitempty"`
}

// Server is a server as its owner sees it.
type Server struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Owner     string `json:"owner"`
	Template  string `json:"template"`
	Version   string `json:"version"`
	Image     string `json:"image"`
	Node      string `json:"node"`     // node name, empty when not placed
	Desired   string `json:"desired"`  // running, stopped, asleep, archived, deleted
	Observed  string `json:"observed"` // absent, pulling, starting, running, stopping, stopped, crashed, failed, unknown
	State     string `json:"state"`    // one word for people: running, starting, stopping, stopped, waiting, crashed, failed, unknown, deleting, asleep, held
	Explain   string `json:"explain"`  // one sentence: what is going on and why
	Next      string `json:"next"`     // what the reader can do about it, empty when nothing
	Epoch     int64  `json:"epoch"`
	Revision  int64  `json:"revision"` // the ETag
	Address   string `json:"address"`  // host:port for players, empty when not placed
	Port      int    `json:"port"`
	HasVolume bool   `json:"has_volume"`

	MemoryBytes int64             `json:"memory_bytes"`
	CPUMillis   int64             `json:"cpu_millis"`
	DiskBytes   int64             `json:"disk_bytes"`
	Env         map[string]string `json:"env"`

	Usage *Usage `json:"usage,omitempty"` // newest sample, absent when nothing runs

	Waiting         *Waiting `json:"waiting,omitempty"`
	Hold            string   `json:"hold,omitempty"`
	Op              *Op      `json:"op,omitempty"`
	Exit            *Exit    `json:"exit,omitempty"`
	Restarts        int      `json:"restarts"`
	RestartRequired bool     `json:"restart_required"` // the running container was made from an older revision
	Progress        string   `json:"progress,omitempty"`

	RetryAt    *time.Time `json:"retry_at,omitempty"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	ReadyAt    *time.Time `json:"ready_at,omitempty"`
	ObservedAt *time.Time `json:"observed_at,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
	CreatedBy  string     `json:"created_by"`
}

// Usage is the newest sample of a running server. Players and TPS are absent when not known.
type Usage struct {
	At          time.Time `json:"at"`
	MemoryBytes int64     `json:"memory_bytes"`
	CPUCores    float64   `json:"cpu_cores"`
	DiskBytes   int64     `json:"disk_bytes"`
	Players     *int      `json:"players,omitempty"`
	PlayersMax  int       `json:"players_max"`
	PlayerNames []string  `json:"player_names,omitempty"`
	TPS         *float64  `json:"tps,omitempty"`
}

// Waiting says what a server waits for.
type Waiting struct {
	MemoryBytes int64     `json:"memory_bytes"`
	CPUMillis   int64     `json:"cpu_millis"`
	Reason      string    `json:"reason"`
	Since       time.Time `json:"since"`
}

// Op is the long operation under way.
type Op struct {
	Kind    string    `json:"kind"`
	By      string    `json:"by"`
	Started time.Time `json:"started"`
	Expires time.Time `json:"expires"`
}

// Exit says how the last run ended.
type Exit struct {
	Code      int       `json:"code"`
	OOM       bool      `json:"oom"`
	Asked     bool      `json:"asked"`
	Killed    bool      `json:"killed"`
	At        time.Time `json:"at"`
	LastLines []string  `json:"last_lines,omitempty"`
	Advice    string    `json:"advice,omitempty"`
}

// CreateServer asks for a new server. Zero numbers mean: what the template recommends.
type CreateServer struct {
	Name        string            `json:"name"`
	Template    string            `json:"template"`
	Version     string            `json:"version,omitempty"`
	MemoryBytes int64             `json:"memory_bytes,omitempty"`
	CPUMillis   int64             `json:"cpu_millis,omitempty"`
	DiskBytes   int64             `json:"disk_bytes,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	Node        string            `json:"node,omitempty"` // pin to this node
	Start       bool              `json:"start,omitempty"`
}

// PatchServer changes a server; absent fields stay. An Env value of null removes the key.
type PatchServer struct {
	Version     *string            `json:"version,omitempty"`
	MemoryBytes *int64             `json:"memory_bytes,omitempty"`
	CPUMillis   *int64             `json:"cpu_millis,omitempty"`
	DiskBytes   *int64             `json:"disk_bytes,omitempty"`
	Env         map[string]*string `json:"env,omitempty"`
}

// StopServer is the optional body of stop.
type StopServer struct {
	Reason string `json:"reason,omitempty"` // told to players
}

// Command is a console command.
type Command struct {
	Command string `json:"command"`
}

// CommandReply is what the game answered; empty when the command went in by stdin.
type CommandReply struct {
	Output string `json:"output"`
	Via    string `json:"via"` // rcon, stdin, or lifecycle: the game's stop command is an order to stop the server
}

// Line is one console line.
type Line struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	Text string    `json:"text"`
	Kind string    `json:"kind,omitempty"` // gap, command, system, part; empty = the game
}

// Lines is a piece of console history.
type Lines struct {
	Lines []Line `json:"lines"`
	First int64  `json:"first"` // oldest the node holds
	Head  int64  `json:"head"`  // newest
	More  bool   `json:"more"`
}

// ConsoleMessage is what the console websocket carries, both ways.
//
// Server to browser: {"type":"lines","lines":[…],"head":n}, {"type":"notice","text":…}, {"type":"reply","id":…,"output":…} or {"type":"reply","id":…,"problem":{…}}.
// {"type":"ping"} every 10 s; {"type":"end","problem":{…}} when the follow is over for good.
// Browser to server: {"type":"command","id":…,"command":…}.
type ConsoleMessage struct {
	Type    string   `json:"type"`
	Lines   []Line   `json:"lines,omitempty"`
	Head    int64    `json:"head,omitempty"`
	Text    string   `json:"text,omitempty"`
	ID      string   `json:"id,omitempty"`
	Command string   `json:"command,omitempty"`
	Output  string   `json:"output,omitempty"`
	Via     string   `json:"via,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}

// Samples is a time series of one server, oldest first.
type Samples struct {
	StepSeconds int     `json:"step_seconds"`
	Points      []Point `json:"points"`
}

// Point is one sample. Players and TPS are absent when not known.
type Point struct {
	At          time.Time `json:"at"`
	MemoryBytes int64     `json:"memory_bytes"`
	CPUCores    float64   `json:"cpu_cores"`
	Players     *int      `json:"players,omitempty"`
	TPS         *float64  `json:"tps,omitempty"`
	NetRx       int64     `json:"net_rx"`
	NetTx       int64     `json:"net_tx"`
}

// Node is a node as an operator sees it.
type Node struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Class        string    `json:"class"` // local or cloud
	Roles        []string  `json:"roles"`
	State        string    `json:"state"`     // ready, degraded, unhealthy, cordoned, unreachable, revoked, locked
	LastSeen     time.Time `json:"last_seen"` // anything heard from it
	Connected    bool      `json:"connected"`
	Cordoned     bool      `json:"cordoned"`
	Explain      string    `json:"explain"`
	Next         string    `json:"next"`
	Degraded     []string  `json:"degraded"` // what this host cannot do
	Health       *Health   `json:"health,omitempty"`
	Arch         string    `json:"arch"`
	OS           string    `json:"os"`
	Kernel       string    `json:"kernel"`
	Docker       string    `json:"docker"`
	AgentVersion string    `json:"agent_version"`
	MachineID    string    `json:"machine_id"`
	Addresses    []string  `json:"addresses"`
	JoinedAt     time.Time `json:"joined_at"`
	ClockSkewMS  int64     `json:"clock_skew_ms"`
	RTTMillis    float64   `json:"rtt_ms"`

	MemoryTotalBytes       int64 `json:"memory_total_bytes"`
	MemoryReserveBytes     int64 `json:"memory_reserve_bytes"` // kept for the system
	MemorySchedulableBytes int64 `json:"memory_schedulable_bytes"`
	MemoryBookedBytes      int64 `json:"memory_booked_bytes"`
	CPUMillis              int64 `json:"cpu_millis"`
	CPUBookedMillis        int64 `json:"cpu_booked_millis"`
	DiskTotalBytes         int64 `json:"disk_total_bytes"`
	DiskBookedBytes        int64 `json:"disk_booked_bytes"`
	PortFrom               int   `json:"port_from"`
	PortTo                 int   `json:"port_to"`
	PortsBooked            int   `json:"ports_booked"`
	Servers                int   `json:"servers"`
	Running                int   `json:"running"`

	Usage *NodeUsage `json:"usage,omitempty"`
}

// Health is the result of the last health check.
type Health struct {
	At         time.Time `json:"at"`
	AgeSeconds int64     `json:"age_seconds"`
	OK         bool      `json:"ok"`
	Problems   []string  `json:"problems,omitempty"`
}

// NodeUsage is the newest sample of a machine.
type NodeUsage struct {
	At         time.Time `json:"at"`
	CPUBusy    float64   `json:"cpu_busy"` // 0…1
	MemoryUsed int64     `json:"memory_used"`
	DiskUsed   int64     `json:"disk_used"`
	DiskTotal  int64     `json:"disk_total"`
	Load1      float64   `json:"load1"`
}

// CreateToken asks for a join token.
type CreateToken struct {
	Name       string   `json:"name"`
	TTLSeconds int64    `json:"ttl_seconds,omitempty"` // 0 = 900
	Class      string   `json:"class,omitempty"`
	Roles      []string `json:"roles,omitempty"`
	MachineID  string   `json:"machine_id,omitempty"`
	Address    string   `json:"address,omitempty"`
}

// Token is a join token; it is shown this once.
type Token struct {
	Token   string    `json:"token"`
	Name    string    `json:"name"`
	Expires time.Time `json:"expires"`
	Pins    []string  `json:"ca_pins"`
	Command string    `json:"command"` // the agent run line to paste on the machine
}

// Event is one entry of the durable log.
type Event struct {
	Seq    int64          `json:"seq"`
	At     time.Time      `json:"at"`
	Type   string         `json:"type"`
	Server string         `json:"server,omitempty"` // name where it is known, else id
	Node   string         `json:"node,omitempty"`
	Owner  string         `json:"owner,omitempty"`
	Actor  string         `json:"actor,omitempty"`
	Data   map[string]any `json:"data,omitempty"`
}

// Template is one entry of the catalogue.
type Template struct {
	Name              string        `json:"name"`
	Title             string        `json:"title"`
	Summary           string        `json:"summary"`
	Category          string        `json:"category"`
	Image             string        `json:"image"`
	Versions          []string      `json:"versions"`
	DefaultVersion    string        `json:"default_version"`
	MemoryMin         int64         `json:"memory_min"`
	MemoryRecommended int64         `json:"memory_recommended"`
	Players           string        `json:"players"` // "5 to 10"
	Popular           bool          `json:"popular"`
	EULA              string        `json:"eula,omitempty"` // terms that creating such a server accepts
	CPUMillis         int64         `json:"cpu_millis"`
	DiskBytes         int64         `json:"disk_bytes"`
	Env               []TemplateEnv `json:"env"`
	BuildHint         string        `json:"build_hint,omitempty"`
}

// TemplateEnv is a setting an owner may change.
type TemplateEnv struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // text, int, bool, enum, names, duration
	Default string   `json:"default,omitempty"`
	Min     *int64   `json:"min,omitempty"`
	Max     *int64   `json:"max,omitempty"`
	Enum    []string `json:"enum,omitempty"`
	Help    string   `json:"help,omitempty"`
}

// Status is the fleet at a glance (/api/conductor/status).
type Status struct {
	At      time.Time         `json:"at"`
	Version string            `json:"version"`
	Cluster string            `json:"cluster"`
	Term    int64             `json:"term"`
	Started time.Time         `json:"started"`
	Nodes   []Node            `json:"nodes"`
	Servers map[string]string `json:"servers"` // server name → node name ("" = not placed)
	Totals  Totals            `json:"totals"`
	// Warnings are the limits of the controller that somebody should look at.
	Warnings []Warning `json:"warnings,omitempty"`
	// Recovery is there while the store is known to be older than the agents and nothing is started by itself (/api/recovery).
	Recovery *RecoveryBrief `json:"recovery,omitempty"`
}

// Warning is a limit that is near or reached.
type Warning struct {
	Name    string `json:"name"`
	Level   string `json:"level"` // warn, fail
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
}

// Compaction is what a compaction of the store did.
type Compaction struct {
	BeforeBytes int64 `json:"before_bytes"`
	AfterBytes  int64 `json:"after_bytes"`
	TookMS      int64 `json:"took_ms"` // changes waited that long
}

// Totals are summed from rows.
type Totals struct {
	Nodes                  int            `json:"nodes"`
	NodesConnected         int            `json:"nodes_connected"`
	Servers                int            `json:"servers"`
	Running                int            `json:"running"`
	Waiting                int            `json:"waiting"`
	ByState                map[string]int `json:"by_state"`
	MemoryTotalBytes       int64          `json:"memory_total_bytes"`
	MemorySchedulableBytes int64          `json:"memory_schedulable_bytes"`
	MemoryBookedBytes      int64          `json:"memory_booked_bytes"`
	Players                int            `json:"players"`
	PlayersUnknown         int            `json:"players_unknown"` // running servers whose player count is not known
}

// Login trades the operator's token for a browser session.
type Login struct {
	Token string `json:"token"`
}

// Session says who is logged in. CSRF goes into the X-CSRF-Token header of every request that changes something.
type Session struct {
	Actor   string `json:"actor"`
	CSRF    string `json:"csrf"`
	Version string `json:"version"`
	Cluster string `json:"cluster"`
}
