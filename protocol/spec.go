package protocol

import "time"

// Spec is all that an agent is told about how to run one server. It is a closed struct: the agent builds the container from it,
// and there is no field through which a tenant can ask for a mount, a device, a capability or a namespace.
type Spec struct {
	Server      string            `json:"server"`   // id, as "srv_…"
	Name        string            `json:"name"`     // the owner's name for it, for labels and messages
	Owner       string            `json:"owner"`    // id of the owner
	Revision    int64             `json:"revision"` // rises with every change of the spec
	Template    string            `json:"template"`
	Version     string            `json:"version"`           // of the game, as the template understands it
	Image       string            `json:"image"`             // image reference, by digest where the catalogue has one
	BuildHint   string            `json:"build_hint"`        // how to get the image where no registry answers
	Env         map[string]string `json:"env"`               // checked against the template's allow-list by the controller
	DataDir     string            `json:"data_dir"`          // where the volume is mounted in the container: "/data"
	GamePort    int               `json:"game_port"`         // inside the container
	HostPort    int               `json:"host_port"`         // on the node, booked by the controller
	MemoryBytes int64             `json:"memory_bytes"`      // container limit; swap is the same, so none
	CPUMillis   int64             `json:"cpu_millis"`        // 1000 = one core
	DiskBytes   int64             `json:"disk_bytes"`        // booked for the volume
	ConsoleMax  int64             `json:"console_max_bytes"` // history kept on the node; 0 = 10 MiB
	Ready       ReadyRule         `json:"ready"`
	Stop        StopRule          `json:"stop"`
	Console     ConsoleRule       `json:"console"`
	Restart     RestartRule       `json:"restart"`
	Profile     Profile           `json:"profile"`
}

// ReadyRule says when a starting server counts as ready: a real server-list ping was answered.
type ReadyRule struct {
	TimeoutSeconds int    `json:"timeout_seconds"` // after this the start has failed; 0 = 600
	LogPattern     string `json:"log_pattern"`     // optional, in addition: a line must have matched first
}

// StopRule says how a server is stopped: players told, save flushed, asked to end, SIGTERM, and SIGKILL after the grace.
type StopRule struct {
	Announce     string   `json:"announce"`      // console command to tell players, with %d for the seconds left; empty = none
	Flush        []string `json:"flush"`         // console commands that write the world: "save-all flush"
	Command      string   `json:"command"`       // console command that ends the game; empty = SIGTERM at once
	GraceSeconds int      `json:"grace_seconds"` // from the order to SIGKILL; 0 = 60
}

// ConsoleRule says how commands get in and which ones the game knows.
type ConsoleRule struct {
	RCON     bool   `json:"rcon"`      // RCON on container port RCONPort, password made per start by the agent
	RCONPort int    `json:"rcon_port"` // 0 = 25575
	SaveOff  string `json:"save_off"`  // empty where the game has no such command
	SaveOn   string `json:"save_on"`
	Flush    string `json:"flush"`
	List     string `json:"list"` // names the players
	TPS      string `json:"tps"`  // prints ticks per second
}

// RestartRule says what the agent does by itself when a game ends unasked, under its live grant.
type RestartRule struct {
	Max           int `json:"max"`            // restarts within the window before it gives up; 0 = 5, negative = never
	WindowSeconds int `json:"window_seconds"` // 0 = 600
}

// Profile holds a template's few exceptions from the tenant container profile (reliability.md §3.3). Each is a closed choice.
type Profile struct {
	User           string `json:"user"`             // "uid:gid"; empty = 1000:1000
	WritableRootFS bool   `json:"writable_root_fs"` // some images write outside /data and /tmp
	TmpExec        bool   `json:"tmp_exec"`         // /tmp may hold executable files (native libraries of mods)
	PidsLimit      int64  `json:"pids_limit"`       // 0 = 512
}

// Grant is the controller's permission for one node, in one boot, to run one server at one epoch. The agent fsyncs it before it starts anything.
type Grant struct {
	Server string    `json:"server"`
	Epoch  int64     `json:"epoch"`
	Node   string    `json:"node"`
	Boot   string    `json:"boot"` // boot id; a grant is dead after a reboot
	Term   int64     `json:"term"` // of the controller that gave it
	Issued time.Time `json:"issued"`
}

// Identity is the content of the file ".payperplay-identity.json" at the root of every volume.
type Identity struct {
	Cluster string `json:"cluster"`
	Server  string `json:"server"`
	Epoch   int64  `json:"epoch"`
}
