package autoscale

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestFromEnv(t *testing.T) {
	s, err := FromEnv(env())
	if err != nil || !reflect.DeepEqual(s, Default()) {
		t.Errorf("an empty environment gives %+v, %v", s, err)
	}
	s, err = FromEnv(env("SCALING_ENABLED", "true", "SCALING_MAX_CLOUD_NODES", "7", "SCALING_MAX_EUR_PER_DAY", "12.5", "SCALING_UP", "0.9", "SCALING_COOLDOWN", "3m",
		"SCALING_TYPES", "cax21, cx33", "SCALING_SPARE_IMAGE", "amd64=1,arm64=2", "SCALING_SPARES", "2; sat,sun 10-24 = 4; fri 18-24=5", "SCALING_SPARE_ZONE", "Europe/Berlin", "SCALING_SPARE_MEMORY", "8GiB"))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Enabled || s.MaxNodes != 7 || s.MaxPerDay != 12*fleet.Euro+fleet.Euro/2 || s.Up != 0.9 || s.Cooldown != Span(3*time.Minute) || strings.Join(s.Types, " ") != "cax21 cx33" ||
		s.image("arm64") != "2" || s.Spares.Base != 2 || len(s.Spares.Rules) != 2 || s.Spares.Memory != 8*gib {
		t.Errorf("got %+v", s)
	}
	for _, bad := range [][2]string{
		{"SCALING_MAX_CLOUD_NODES", "-1"}, {"SCALING_MAX_CLOUD_NODES", "many"}, {"SCALING_MAX_EUR_PER_DAY", "1e3"}, {"SCALING_UP", "85"}, {"SCALING_UP", "NaN"}, {"SCALING_DOWN", "0.9"},
		{"SCALING_RELEASE_MINUTE", "58"}, {"SCALING_RELEASE_MINUTE", "0"}, {"SCALING_SPARES", "many"}, {"SCALING_SPARES", "1; fry 1-2 = 3"}, {"SCALING_SPARES", "1; 20-4 = 3"},
		{"SCALING_SPARE_ZONE", "Mars/Olympus"}, {"SCALING_SPARE_ZONE", "Local"}, {"SCALING_STRATEGY", "tight"}, {"SCALING_TYPES", "a,,b"}, {"SCALING_COOLDOWN", "5"}, {"SCALING_JOIN_DEADLINE", "1s"},
		{"SCALING_SPARE_IMAGE", "amd64="}, {"SCALING_ENABLED", "perhaps"}, {"SCALING_GROWTH", "-1"}, {"SCALING_LOOKAHEAD", "48h"}, {"SCALING_CLOCK_SKEW", "1h"},
	} {
		if _, err := FromEnv(env(bad[0], bad[1])); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s=%s: %v", bad[0], bad[1], err)
		}
	}
	for _, v := range Env() {
		if !strings.HasPrefix(v[0], "SCALING_") || v[1] == "" {
			t.Errorf("%v is not documented", v)
		}
	}
}

func TestMerge(t *testing.T) {
	s := Default()
	s.Types, s.SpareImages = []string{"a", "b", "c"}, map[string]string{"amd64": "1"}
	got, err := s.Merge([]byte(`{"max_cloud_nodes": 3, "cooldown": "90s", "types": ["d"], "spare_images": {"arm64": "2"}, "spares": {"zone": "Europe/Berlin", "base": 2}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.MaxNodes != 3 || got.Cooldown != Span(90*time.Second) || !reflect.DeepEqual(got.Types, []string{"d"}) || !reflect.DeepEqual(got.SpareImages, map[string]string{"arm64": "2"}) ||
		got.Spares.Zone.place().String() != "Europe/Berlin" || got.Spares.Base != 2 || len(got.Spares.Rules) != 1 || got.Up != s.Up {
		t.Errorf("merged %+v", got)
	}
	if got, err := s.Merge([]byte(`{"spares": {"rules": [{"from": 1, "to": 2, "machines": 4}]}}`)); err != nil || !reflect.DeepEqual(got.Spares.Rules, []Rule{{From: 1, To: 2, Machines: 4}}) {
		t.Errorf("a rule keeps something of the one before: %+v, %v", got.Spares.Rules, err)
	}
	if !reflect.DeepEqual(s.Types, []string{"a", "b", "c"}) || s.SpareImages["amd64"] != "1" || len(s.SpareImages) != 1 {
		t.Errorf("what was merged into has changed: %+v", s)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Default().Merge(text); err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("not the same after JSON: %v\n%+v\n%+v", err, again, got)
	}
	for _, bad := range []string{``, `[]`, `{"max_nodes": 3}`, `{"up": 2}`, `{"cooldown": 5}`, `{"cooldown": "soon"}`, `{"spares": {"zone": "Nowhere"}}`, `{"spares": {"rules": [{"days": ["xyz"], "to": 3}]}}`} {
		if out, err := s.Merge([]byte(bad)); fault.KindOf(err) != fault.Invalid || !reflect.DeepEqual(out, s) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestPoolByHour(t *testing.T) {
	p := defaultSpares()
	var err error
	if p.Zone, err = LoadZone("Europe/Berlin"); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]int{
		"2026-12-04T15:59:59Z": 1, // Friday, 16:59 in Berlin
		"2026-12-04T16:00:00Z": 3,
		"2026-12-04T22:59:59Z": 3,
		"2026-12-04T23:00:00Z": 1, // midnight there
		"2026-12-05T20:00:00Z": 3,
		"2026-12-06T20:00:00Z": 1,
		"2026-07-03T15:00:00Z": 3, // summer time: 17:00
		"2026-07-03T14:59:00Z": 1,
	} {
		when, _ := time.Parse(time.RFC3339, at)
		if got := p.at(when); got != want {
			t.Errorf("at %s the pool wants %d, want %d", at, got, want)
		}
	}
	when := time.Date(2026, 12, 4, 12, 30, 15, 7, time.UTC)
	if got, want := p.turn(when), time.Date(2026, 12, 4, 16, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("turns at %s, want %s", got, want)
	}
}
