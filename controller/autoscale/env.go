package autoscale

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/protocol"
)

// variable is one of the environment.
type variable struct {
	Name, Help string
	set        func(*Settings, string) error
}

// variables are those that FromEnv reads.
func variables() []variable {
	return []variable{
		{"SCALING_ENABLED", "true or false: whether machines are ordered and released (default false)", func(s *Settings, v string) (err error) {
			s.Enabled, err = strconv.ParseBool(v)
			return err
		}},
		{"SCALING_MAX_CLOUD_NODES", "hard cap: machines at once (default 10)", func(s *Settings, v string) (err error) {
			s.MaxNodes, err = strconv.Atoi(v)
			return err
		}},
		{"SCALING_MAX_EUR_PER_DAY", "hard cap: euros per UTC day, net, as 12.50 (default 10)", func(s *Settings, v string) (err error) {
			s.MaxPerDay, err = fleet.ParseEuro(v)
			return err
		}},
		{"SCALING_UP", "load at which one more machine is ordered (default 0.85; 0 = never)", part(func(s *Settings) *float64 { return &s.Up })},
		{"SCALING_DOWN", "load at which the emptiest machine is closed (default 0.30; 0 = never)", part(func(s *Settings) *float64 { return &s.Down })},
		{"SCALING_DRAIN_BUSY", "true or false: whether machines with running servers may be closed then (default false)", func(s *Settings, v string) (err error) {
			s.DrainBusy, err = strconv.ParseBool(v)
			return err
		}},
		{"SCALING_COOLDOWN", "between two steps by load (default 5m)", span(func(s *Settings) *Span { return &s.Cooldown })},
		{"SCALING_DOWN_AFTER_UP", "no machine is closed sooner than this after one was ordered (default 20m)", span(func(s *Settings) *Span { return &s.DownAfterUp })},
		{"SCALING_RELEASE_MINUTE", "minute of the paid hour from which an empty machine goes (default 55)", func(s *Settings, v string) (err error) {
			s.ReleaseAt, err = strconv.Atoi(v)
			return err
		}},
		{"SCALING_CLOCK_SKEW", "how far the provider's clock may be from ours (default 1m)", span(func(s *Settings) *Span { return &s.Skew })},
		{"SCALING_LOOKAHEAD", "room is kept for the servers that start in this time (default 90s; 0 = none)", span(func(s *Settings) *Span { return &s.Lookahead })},
		{"SCALING_SPARES", `machines without servers by hour, where there is a spare image (default "1; fri,sat 17-24 = 3")`, func(s *Settings, v string) error {
			return s.Spares.parsePool(v)
		}},
		{"SCALING_SPARE_ZONE", "IANA time zone of those hours (default UTC)", func(s *Settings, v string) (err error) {
			s.Spares.Zone, err = LoadZone(v)
			return err
		}},
		{"SCALING_SPARE_MEMORY", "a server of this size fits on each spare (default 4GiB)", func(s *Settings, v string) (err error) {
			s.Spares.Memory, err = protocol.ParseSize(v)
			return err
		}},
		{"SCALING_TYPES", "machine types in order of preference, with commas (default all, cheapest first)", list(func(s *Settings) *[]string { return &s.Types })},
		{"SCALING_LOCATIONS", "locations in order of preference, with commas (default all)", list(func(s *Settings) *[]string { return &s.Locations })},
		{"SCALING_GROWTH", "how much more than needed a machine is chosen for, as a part of what is booked (default 0.5)", part(func(s *Settings) *float64 { return &s.Growth })},
		{"SCALING_IMAGE", "the provider's image that cloud-init makes a node of (default debian-13)", func(s *Settings, v string) error {
			s.Image = v
			return nil
		}},
		{"SCALING_SPARE_IMAGE", "snapshots that boot quickly: an id, or amd64=ID,arm64=ID (default none)", func(s *Settings, v string) error {
			return s.setSpareImages(v)
		}},
		{"SCALING_JOIN_DEADLINE", "how long a machine may take to join (default 8m)", span(func(s *Settings) *Span { return &s.JoinDeadline })},
		{"SCALING_STRATEGY", "placement strategy (default auto)", func(s *Settings, v string) (err error) {
			s.Strategy, err = placement.ParseStrategy(v)
			return err
		}},
	}
}

func part(of func(*Settings) *float64) func(*Settings, string) error {
	return func(s *Settings, v string) (err error) {
		*of(s), err = strconv.ParseFloat(v, 64)
		return err
	}
}

func span(of func(*Settings) *Span) func(*Settings, string) error {
	return func(s *Settings, v string) error { return of(s).UnmarshalText([]byte(v)) }
}

func list(of func(*Settings) *[]string) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		*of(s) = nil
		for _, name := range strings.Split(v, ",") {
			*of(s) = append(*of(s), strings.TrimSpace(name))
		}
		return nil
	}
}

func (s *Settings) setSpareImages(text string) error {
	s.SpareImages = map[string]string{}
	for _, one := range strings.Split(text, ",") {
		arch, id, named := strings.Cut(strings.TrimSpace(one), "=")
		if !named {
			arch, id = "", arch
		}
		if id == "" {
			return fmt.Errorf("%q names no image", one)
		}
		s.SpareImages[arch] = id
	}
	return nil
}

// Env lists the variables that FromEnv reads with what each is for, for help texts and documents.
func Env() [][2]string {
	var out [][2]string
	for _, v := range variables() {
		out = append(out, [2]string{v.Name, v.Help})
	}
	return out
}

// FromEnv gives the defaults with what the environment says. Kinds: invalid.
func FromEnv(getenv func(string) string) (Settings, error) {
	s := Default()
	for _, v := range variables() {
		text := strings.TrimSpace(getenv(v.Name))
		if text == "" {
			continue
		}
		if err := v.set(&s, text); err != nil {
			return Default(), fault.Wrap(err, fault.Invalid, fmt.Sprintf("%s=%s cannot be understood", v.Name, text), v.Name+": "+v.Help)
		}
	}
	return s, s.Validate()
}
