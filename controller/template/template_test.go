package template

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/payperplay/payperplay/protocol"
)

var update = flag.Bool("update", false, "write the goldens anew")

func builtinCatalogue(t *testing.T) *Catalogue {
	t.Helper()
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, name string) Template {
	t.Helper()
	found, err := builtinCatalogue(t).Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestGolden holds what each built-in entry tells an agent by default, profile exceptions included (design.md §9.8): a
// change of a tenant's rights must show in a review.
func TestGolden(t *testing.T) {
	for _, entry := range builtinCatalogue(t).List(Query{}) {
		t.Run(entry.Name, func(t *testing.T) {
			spec, err := entry.Render(Input{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(spec, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", entry.Name+".golden.json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Errorf("spec of %s changed (-golden +now); go test ./controller/template -update if it is meant:\n%s", entry.Name, diff)
			}
		})
	}
}

// TestEveryVersionRenders: no version is listed for which a rule is missing.
func TestEveryVersionRenders(t *testing.T) {
	for _, entry := range builtinCatalogue(t).List(Query{}) {
		for i, v := range entry.Versions {
			if i > 0 && compareVersions(entry.Versions[i-1], v) <= 0 {
				t.Errorf("%s: %s is not older than %s", entry.Name, v, entry.Versions[i-1])
			}
			spec, err := entry.Render(Input{Version: v})
			if err != nil || spec.Version != v || spec.Env["VERSION"] != v || strings.Contains(spec.Image, "{") {
				t.Errorf("%s %s: %v, image %s", entry.Name, v, err, spec.Image)
			}
		}
	}
}

func TestJavaByVersion(t *testing.T) {
	for _, c := range []struct{ template, version, tag string }{
		{"vanilla", "1.8.8", "java8"}, {"vanilla", "1.16.5", "java8"}, {"vanilla", "1.17.1", "java17"}, {"vanilla", "1.20.4", "java17"},
		{"vanilla", "1.20.6", "java21"}, {"vanilla", "1.21.11", "java21"}, {"vanilla", "26.1", "java25"},
		{"paper", "1.11.2", "java8"}, {"paper", "1.12.2", "java11"}, {"paper", "1.16.5", "java11"}, {"paper", "1.18.2", "java17"}, {"paper", "26.1", "java25"},
		{"forge", "1.12.2", "java8"}, {"forge", "1.17.1", "java16"}, {"forge", "1.20.1", "java17"}, {"neoforge", "1.21.1", "java21"},
	} {
		spec, err := get(t, c.template).Render(Input{Version: c.version})
		if err != nil {
			t.Fatal(err)
		}
		if want := "itzg/minecraft-server:" + c.tag; spec.Image != want {
			t.Errorf("%s %s: image %s, want %s", c.template, c.version, spec.Image, want)
		}
	}
}

func TestHeapLeavesRoom(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		limit int64
		want  string
	}{
		{512 * mib, "435M"}, {1024 * mib, "870M"}, {2e9 - 1, "1621M"}, {2e9, "1716M"}, {2048 * mib, "1843M"}, {4e9, "3623M"}, {8192 * mib, "7782M"},
	} {
		if got := heapText(heap(c.limit)); got != c.want {
			t.Errorf("limit %d: heap %s, want %s", c.limit, got, c.want)
		}
	}
	spec, err := get(t, "paper").Render(Input{MemoryBytes: 3 << 30})
	if err != nil || spec.MemoryBytes != 3<<30 || spec.Env["MEMORY"] != "2764M" {
		t.Errorf("%v: memory %d, MEMORY=%s", err, spec.MemoryBytes, spec.Env["MEMORY"])
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		name     string
		template string
		in       Input
		want     string // in message or next step
	}{
		{"unknown version", "paper", Input{Version: "1.21.44"}, "did you mean 1.21.4"},
		{"no version at all", "paper", Input{Version: "banana"}, "choose one of"},
		{"too little memory", "paper", Input{MemoryBytes: 100 << 20}, "too little"},
		{"negative disk", "paper", Input{DiskBytes: -1}, "negative"},
		{"unknown setting", "paper", Input{Env: map[string]string{"MAX_PLAYER": "3"}}, "did you mean MAX_PLAYERS"},
		{"lower case", "paper", Input{Env: map[string]string{"motd": "x"}}, "did you mean MOTD"},
		{"setting far from all", "paper", Input{Env: map[string]string{"QQQQ": "x"}}, "no setting"},
		{"fixed setting", "paper", Input{Env: map[string]string{"TYPE": "FORGE"}}, "by the template"},
		{"heap", "paper", Input{Env: map[string]string{"MEMORY": "9G"}}, "--memory"},
		{"version as env", "paper", Input{Env: map[string]string{"VERSION": "1.8.8"}}, "--version"},
		{"int over max", "paper", Input{Env: map[string]string{"VIEW_DISTANCE": "33"}}, "over 32"},
		{"int below min", "paper", Input{Env: map[string]string{"VIEW_DISTANCE": "1"}}, "below 2"},
		{"not an int", "paper", Input{Env: map[string]string{"VIEW_DISTANCE": "ten"}}, "whole number"},
		{"bool", "paper", Input{Env: map[string]string{"PVP": "TRUE"}}, "neither true nor false"},
		{"enum", "paper", Input{Env: map[string]string{"DIFFICULTY": "insane"}}, "peaceful, easy"},
		{"newline", "paper", Input{Env: map[string]string{"MOTD": "a\nrcon.password=x"}}, "control characters"},
		{"NUL", "paper", Input{Env: map[string]string{"MOTD": "a\x00b"}}, "control characters"},
		{"not UTF-8", "paper", Input{Env: map[string]string{"MOTD": "a\xffb"}}, "control characters"},
		{"long", "paper", Input{Env: map[string]string{"MOTD": strings.Repeat("x", 121)}}, "longer than 120"},
		{"names", "paper", Input{Env: map[string]string{"OPS": "Alice, $(id)"}}, "players' names"},
		{"pattern", "paper", Input{Env: map[string]string{"LEVEL": "../other"}}, "not of the form"},
		{"half a pattern", "paper", Input{Env: map[string]string{"RESOURCE_PACK_SHA1": strings.Repeat("a", 41)}}, "not of the form"},
		{"too new for the version", "paper", Input{Version: "1.16.5", Env: map[string]string{"SIMULATION_DISTANCE": "5"}}, "since 1.18"},
		{"duration", "testserver", Input{Env: map[string]string{"START_DELAY": "soon"}}, "duration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := get(t, c.template).Render(c.in)
			var fault *protocol.Fault
			if !errors.As(err, &fault) || fault.Code != protocol.Invalid || fault.Next == "" {
				t.Fatalf("%v is not an Invalid fault with a next step", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q does not say %q", err, c.want)
			}
		})
	}
}

// TestS09NoSecretReachable: settings are taken as they are; nothing in them is expanded, and what the agent keeps secret
// has no name that a template or an owner could give.
func TestS09NoSecretReachable(t *testing.T) {
	const payload = "{{config.token}} ${RCON_PASSWORD} {java} {{.}} $(cat /etc/passwd) %d"
	for _, entry := range builtinCatalogue(t).List(Query{}) {
		spec, err := entry.Render(Input{Env: map[string]string{"MOTD": payload}})
		if err != nil {
			t.Fatal(err)
		}
		if spec.Env["MOTD"] != payload {
			t.Errorf("%s: MOTD became %q", entry.Name, spec.Env["MOTD"])
		}
		for _, name := range reserved {
			if _, there := spec.Env[name]; there {
				t.Errorf("%s sets %s", entry.Name, name)
			}
			if _, err := entry.Render(Input{Env: map[string]string{name: "x"}}); err == nil {
				t.Errorf("%s lets owners set %s", entry.Name, name)
			}
		}
	}
}

func TestRenderSharesNothing(t *testing.T) {
	c := builtinCatalogue(t)
	first, _ := c.Get("paper")
	spec, err := first.Render(Input{})
	if err != nil {
		t.Fatal(err)
	}
	spec.Stop.Flush[0], spec.Env["TYPE"] = "broken", "broken"
	second, _ := c.Get("paper")
	again, err := second.Render(Input{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Stop.Flush[0] == "broken" || again.Env["TYPE"] == "broken" {
		t.Error("a spec shares memory with the catalogue")
	}
}

func TestTPSCommandByVersion(t *testing.T) {
	for version, want := range map[string]string{"1.20.2": "", "1.20.4": "tick query"} {
		spec, err := get(t, "vanilla").Render(Input{Version: version})
		if err != nil || spec.Console.TPS != want {
			t.Errorf("vanilla %s: TPS command %q, want %q (%v)", version, spec.Console.TPS, want, err)
		}
	}
}

// TestImagesKnowTheirSettings: each setting of an image that we build ourselves is one that its program reads.
func TestImagesKnowTheirSettings(t *testing.T) {
	for name, file := range map[string]string{"testserver": "testserver/knobs.go", "flying-squid": "flying-squid/config.js"} {
		source, err := os.ReadFile(filepath.Join("../../scripts/images", file))
		if err != nil {
			t.Fatal(err)
		}
		entry := get(t, name)
		names := []string{}
		for _, o := range entry.Env {
			names = append(names, o.Name)
		}
		for fixed := range entry.Fixed {
			names = append(names, fixed)
		}
		for _, one := range names {
			if !regexp.MustCompile(`\b` + one + `\b`).Match(source) {
				t.Errorf("%s offers %s, which %s does not read", name, one, file)
			}
		}
	}
}

// TestSpecIsCovered fails when Spec gets a field that nobody here has thought of.
func TestSpecIsCovered(t *testing.T) {
	known := map[string]bool{"Server": true, "Name": true, "Owner": true, "Revision": true, "HostPort": true, "ConsoleMax": true} // the caller's
	spec, err := get(t, "paper").Render(Input{})
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(spec)
	for i := range v.NumField() {
		if v.Field(i).IsZero() && !known[v.Type().Field(i).Name] {
			t.Errorf("Spec.%s is left empty", v.Type().Field(i).Name)
		}
	}
}
