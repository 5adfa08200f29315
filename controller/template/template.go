// Package template is the catalogue of what can be run: for each kind of server its image, versions, settings, memory
// and the rules by which an agent starts, stops and talks to it. The catalogue is a JSON file, embedded and replaceable
// (controller serve --templates FILE); this package reads it, checks it, finds entries in it, and renders an entry
// together with an owner's wishes into the closed protocol.Spec.
//
// Owners' settings are an allow-list of names with kinds and bounds; nothing in them is expanded, so no setting can reach
// a secret of the daemons (reliability.md S09).
package template

import (
	"encoding/json"
	"strconv"

	"github.com/payperplay/payperplay/protocol"
)

// Template is one entry of the catalogue.
type Template struct {
	Name     string `json:"name"` // how it is asked for: "paper"
	Title    string `json:"title"`
	Summary  string `json:"summary"`
	Category string `json:"category"` // vanilla, plugins, mods, light, test
	Popular  bool   `json:"popular,omitempty"`
	EULA     string `json:"eula,omitempty"` // address of the terms that creating such a server accepts

	Image          string     `json:"image"`                // reference; "{java}" stands for the tag by version
	Java           []JavaRule `json:"java,omitempty"`       // in rising order; the last one has no bound
	BuildHint      string     `json:"build_hint,omitempty"` // command that makes the image where no registry answers
	Versions       []string   `json:"versions"`             // of the game, newest first
	DefaultVersion string     `json:"default_version"`

	Fixed   map[string]string `json:"fixed,omitempty"`    // environment that owners cannot change
	Env     []Option          `json:"env"`                // environment that they can
	HeapEnv string            `json:"heap_env,omitempty"` // variable that takes the size of the JVM's heap, as "870M"

	Memory    Memory  `json:"memory"`
	Players   Players `json:"players"`    // how many play well with the recommended memory
	CPUMillis int64   `json:"cpu_millis"` // container limit unless asked for otherwise; 1000 = one core
	Disk      Size    `json:"disk"`       // booked for the volume unless asked for otherwise

	DataDir  string `json:"data_dir"`
	GamePort int    `json:"game_port"`
	TPSSince string `json:"tps_since,omitempty"` // first version that knows Console.TPS; empty = all

	Ready   protocol.ReadyRule   `json:"ready"`
	Stop    protocol.StopRule    `json:"stop"`
	Console protocol.ConsoleRule `json:"console"`
	Restart protocol.RestartRule `json:"restart"`
	Profile protocol.Profile     `json:"profile"`
}

// JavaRule gives the image tag for game versions below a bound (exclusive); an empty bound covers the rest.
type JavaRule struct {
	Below string `json:"below,omitempty"`
	Tag   string `json:"tag"`
}

// Memory is in bytes of container limit, which is what is booked and paid for; the heap is derived from it.
type Memory struct {
	Min         Size `json:"min"`
	Recommended Size `json:"recommended"`
	Default     Size `json:"default"`
}

// Players is a range, both ends included.
type Players struct {
	From int `json:"from"`
	To   int `json:"to"`
}

func (p Players) String() string {
	return strconv.Itoa(p.From) + " to " + strconv.Itoa(p.To)
}

// Option is a setting that an owner may give.
type Option struct {
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Default string   `json:"default,omitempty"` // set when the owner says nothing; empty = not set at all
	Min     *int64   `json:"min,omitempty"`     // of int
	Max     *int64   `json:"max,omitempty"`     // of int; of text and names: characters, 256 unless given
	Enum    []string `json:"enum,omitempty"`
	Pattern string   `json:"pattern,omitempty"` // of text: a regular expression for the whole value
	Since   string   `json:"since,omitempty"`   // first version of the game that knows it
	Help    string   `json:"help"`
}

// Kind is what a setting's value looks like.
type Kind string

// The kinds.
const (
	Text     Kind = "text"
	Int      Kind = "int"
	Bool     Kind = "bool"     // true or false
	Enum     Kind = "enum"     // one of Option.Enum
	Names    Kind = "names"    // players' names, separated by commas
	Duration Kind = "duration" // as Go writes it, "1m30s"
)

// Size is a number of bytes that the file writes as "1GiB" and the API gives as a number.
type Size int64

// UnmarshalJSON takes "1GiB" or a number of bytes.
func (s *Size) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		text = string(b)
	}
	n, err := protocol.ParseSize(text)
	*s = Size(n)
	return err
}

// Catalogue is a checked set of templates. It does not change after Load.
type Catalogue struct {
	list   []Template // in the file's order
	byName map[string]int
}
