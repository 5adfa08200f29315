package autoscale

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/provision"
)

// Settings say how scaling decides. Default gives them all; environment and API change some (FromEnv, Merge).
type Settings struct {
	Enabled   bool            `json:"enabled"`
	MaxNodes  int             `json:"max_cloud_nodes"`         // hard: machines at once
	MaxPerDay fleet.MicroEuro `json:"max_micro_euros_per_day"` // hard: per UTC day

	Up          float64 `json:"up"`            // load at which one more machine is ordered; 0 = never by load alone
	Down        float64 `json:"down"`          // load at which the emptiest machine is closed; 0 = never
	DrainBusy   bool    `json:"drain_busy"`    // machines with running servers may be closed at Down; worth it once stopped servers leave their machine
	Cooldown    Span    `json:"cooldown"`      // between two steps of the reactive policy
	DownAfterUp Span    `json:"down_after_up"` // a machine is closed no sooner than this after one was ordered

	ReleaseAt int  `json:"release_minute"` // of a paid hour: an empty machine goes from then on …
	Skew      Span `json:"clock_skew"`     // … and no later than this before the hour's end, or the next one may be billed already

	Lookahead Span   `json:"lookahead"` // how long a machine takes from its order to its first server; 0 = no room is kept ahead
	Spares    Spares `json:"spares"`

	Types        []string          `json:"types"`        // in order of preference; empty = all, by price for what is needed
	Locations    []string          `json:"locations"`    // in order of preference; empty = all
	Growth       float64           `json:"growth"`       // how much more than what is needed now a machine is chosen for, as a part of what is booked
	Image        string            `json:"image"`        // the provider's, which cloud-init makes a node of
	SpareImages  map[string]string `json:"spare_images"` // by GOARCH, "" = any: snapshots that boot quickly; taken for every order that can
	JoinDeadline Span              `json:"join_deadline"`

	Strategy placement.Strategy `json:"strategy"`
}

// Default are the settings of a controller that was told nothing: scaling is off.
func Default() Settings {
	return Settings{
		MaxNodes: 10, MaxPerDay: 10 * fleet.Euro,
		Up: 0.85, Down: 0.30, Cooldown: Span(5 * time.Minute), DownAfterUp: Span(20 * time.Minute),
		ReleaseAt: 55, Skew: Span(time.Minute), Lookahead: Span(90 * time.Second), Spares: defaultSpares(),
		Growth: 0.5, Image: "debian-13", JoinDeadline: Span(8 * time.Minute), Strategy: placement.Auto,
	}
}

// Caps are the hard bounds.
func (s Settings) Caps() provision.Caps {
	return provision.Caps{MaxNodes: s.MaxNodes, MaxPerDay: s.MaxPerDay}
}

// Validate tells what of the settings cannot be. Kinds: invalid.
func (s Settings) Validate() error {
	bad := func(next, format string, args ...any) error {
		return fault.New(fault.Invalid, "scaling: "+fmt.Sprintf(format, args...), next)
	}
	switch {
	case s.MaxNodes < 0 || s.MaxNodes > 10_000:
		return bad("give 0 to 10000", "max_cloud_nodes is %d", s.MaxNodes)
	case s.MaxPerDay < 0 || s.MaxPerDay > 1_000_000*fleet.Euro:
		return bad("give 0 to 1000000 euros", "the cap per day is %s", s.MaxPerDay)
	case !(s.Up >= 0 && s.Up <= 1), !(s.Down >= 0 && s.Down <= 1): // NaN is neither
		return bad("give parts of one, as 0.85 and 0.30", "up is %v, down is %v", s.Up, s.Down)
	case s.Up > 0 && s.Down >= s.Up:
		return bad("down must be well below up, as 0.30 and 0.85", "down %v is not below up %v: machines would come and go", s.Down, s.Up)
	case !(s.Growth >= 0 && s.Growth <= 10):
		return bad("give 0 to 10", "growth is %v", s.Growth)
	case s.Skew < 0 || s.Skew > Span(10*time.Minute):
		return bad("give 0 to 10 minutes", "clock_skew is %s", s.Skew)
	case s.ReleaseAt < 1 || time.Duration(s.ReleaseAt)*time.Minute > time.Hour-time.Duration(s.Skew)-2*time.Minute:
		return bad("the loop needs two minutes between release_minute and the hour's end less clock_skew; 55 is usual", "release_minute is %d", s.ReleaseAt)
	case s.JoinDeadline < Span(time.Minute) || s.JoinDeadline > Span(time.Hour):
		return bad("give one minute to an hour", "join_deadline is %s", s.JoinDeadline)
	case slices.Contains(s.Types, "") || slices.Contains(s.Locations, ""):
		return bad("leave the list empty to allow all", "an empty name is among the types or locations")
	}
	for name, d := range map[string]Span{"cooldown": s.Cooldown, "down_after_up": s.DownAfterUp, "lookahead": s.Lookahead} {
		if d < 0 || d > Span(24*time.Hour) {
			return bad("give 0 to 24 hours", "%s is %s", name, d)
		}
	}
	if _, err := placement.ParseStrategy(string(s.Strategy)); err != nil {
		return err
	}
	return s.Spares.validate()
}

// Merge changes what patch, a JSON object, names; lists and maps are replaced as a whole. Kinds: invalid.
func (s Settings) Merge(patch []byte) (Settings, error) {
	const next = "see GET /api/scaling/status for the names and how values are written"
	var named map[string]json.RawMessage
	if err := json.Unmarshal(patch, &named); err != nil {
		return s, fault.Wrap(err, fault.Invalid, "scaling: the settings are not a JSON object", next)
	}
	out := s.clone()
	for name, value := range named { // what is decoded onto something keeps what it does not name
		switch name {
		case "spares":
			var pool map[string]json.RawMessage
			if _ = json.Unmarshal(value, &pool); pool["rules"] != nil { // an error is found again below
				out.Spares.Rules = nil
			}
		case "spare_images":
			out.SpareImages = nil
		case "types":
			out.Types = nil
		case "locations":
			out.Locations = nil
		}
	}
	dec := json.NewDecoder(bytes.NewReader(patch))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return s, fault.Wrap(err, fault.Invalid, "scaling: "+err.Error(), next)
	}
	if out.Strategy == "" {
		out.Strategy = placement.Auto
	}
	if err := out.Validate(); err != nil {
		return s, err
	}
	return out, nil
}

func (s Settings) clone() Settings {
	s.Types, s.Locations = slices.Clone(s.Types), slices.Clone(s.Locations)
	s.SpareImages, s.Spares.Rules = maps.Clone(s.SpareImages), slices.Clone(s.Spares.Rules)
	return s
}

// image is what a machine of that architecture boots from.
func (s Settings) image(arch string) string {
	if id := s.SpareImages[arch]; id != "" {
		return id
	}
	if id := s.SpareImages[""]; id != "" {
		return id
	}
	return s.Image
}

// Span is a duration that is written as people say it: "5m", "1h30m".
type Span time.Duration

func (d Span) String() string { return time.Duration(d).String() }

// MarshalText writes it.
func (d Span) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads it.
func (d *Span) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration as 90s or 5m", b)
	}
	*d = Span(v)
	return nil
}
