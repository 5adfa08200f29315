package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/protocol"
)

func TestLoadFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.json")
	if err := os.WriteFile(file, builtin, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil || len(c.List(Query{})) != 8 {
		t.Fatalf("%v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, &protocol.Fault{Code: protocol.Invalid}) || !strings.Contains(err.Error(), "--templates") {
		t.Errorf("missing file: %v", err)
	}
	big := filepath.Join(t.TempDir(), "big.json")
	if err := os.WriteFile(big, bytes.Repeat([]byte(" "), maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "over 4MiB") {
		t.Errorf("big file: %v", err)
	}
}

// TestParseRefuses breaks the built-in catalogue in one place at a time.
func TestParseRefuses(t *testing.T) {
	squid := func(change func(map[string]any)) []byte {
		var file struct {
			Templates []map[string]any `json:"templates"`
		}
		if err := json.Unmarshal(builtin, &file); err != nil {
			t.Fatal(err)
		}
		for _, entry := range file.Templates {
			if entry["name"] == "flying-squid" {
				change(entry)
			}
		}
		b, err := json.MarshalIndent(file, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	set := func(key string, value any) []byte { return squid(func(m map[string]any) { m[key] = value }) }
	option := func(o map[string]any) []byte {
		if o["help"] == nil {
			o["help"] = "x"
		}
		return set("env", []any{o})
	}
	if _, err := Parse("x", squid(func(map[string]any) {})); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":              {nil, "line 1"},
		"no templates":       {[]byte(`{"templates":[]}`), "no templates"},
		"syntax":             {[]byte("{\n\n\"templates\": nope}"), "line 3"},
		"wrong type":         {[]byte("{\n\"templates\": [{\"name\":\n 3}]}"), "line 3"},
		"two documents":      {append(bytes.Clone(builtin), '{', '}'), "behind the catalogue"},
		"unknown field":      {set("imgae", "x"), "imgae"},
		"name":               {set("name", "Flying Squid"), "lower-case"},
		"twice":              {set("name", "paper"), "twice"},
		"title":              {set("title", ""), "title"},
		"image":              {set("image", "a b"), "image reference"},
		"image option":       {set("image", "--privileged"), "image reference"},
		"java without rules": {set("image", "x:{java}"), "go together"},
		"java order": {squid(func(m map[string]any) {
			m["image"] = "x:{java}"
			m["java"] = []any{map[string]any{"below": "1.18", "tag": "a"}, map[string]any{"below": "1.17", "tag": "b"}, map[string]any{"tag": "c"}}
		}), "rise"},
		"java open end": {squid(func(m map[string]any) {
			m["image"] = "x:{java}"
			m["java"] = []any{map[string]any{"below": "1.18", "tag": "a"}}
		}), "all but the last"},
		"versions":          {set("versions", []string{}), "versions is empty"},
		"version":           {set("versions", []string{"1.x"}), "not a version"},
		"default version":   {set("default_version", "1.0"), "not among"},
		"port":              {set("game_port", 0), "no port"},
		"rcon on game port": {set("console", map[string]any{"rcon": true, "rcon_port": 25565}), "rcon_port"},
		"data dir":          {set("data_dir", "/etc"), "data_dir"},
		"data dir escapes":  {set("data_dir", "/data/../etc"), "data_dir"},
		"relative data dir": {set("data_dir", "data"), "data_dir"},
		"root":              {set("profile", map[string]any{"user": "0:0"}), "not root"},
		"user name":         {set("profile", map[string]any{"user": "root"}), "uid:gid"},
		"pids":              {set("profile", map[string]any{"pids_limit": 100000}), "pids_limit"},
		"memory":            {set("memory", map[string]any{"min": "1GiB", "recommended": "512MiB", "default": "1GiB"}), "memory"},
		"memory unit":       {set("memory", map[string]any{"min": "1 banana"}), "not a size"},
		"players":           {set("players", map[string]any{"from": 3, "to": 2}), "range"},
		"cpu":               {set("cpu_millis", -1), "negative"},
		"grace":             {set("stop", map[string]any{"grace_seconds": -1}), "negative"},
		"announce":          {set("stop", map[string]any{"announce": "say %s"}), "%d"},
		"two lines":         {set("stop", map[string]any{"command": "stop\nop me"}), "one line"},
		"log pattern":       {set("ready", map[string]any{"log_pattern": "("}), "log_pattern"},
		"fixed secret":      {set("fixed", map[string]string{"RCON_PASSWORD": "minecraft"}), "not for catalogues"},
		"fixed agent's":     {set("fixed", map[string]string{"PPP_EPOCH": "9"}), "not for catalogues"},
		"fixed and offered": {option(map[string]any{"name": "EULA", "kind": "bool"}), "twice"},
		"option name":       {option(map[string]any{"name": "max-players", "kind": "int"}), "not the name"},
		"option kind":       {option(map[string]any{"name": "A", "kind": "float"}), "unknown kind"},
		"enum":              {option(map[string]any{"name": "A", "kind": "enum"}), "its values"},
		"default":           {option(map[string]any{"name": "A", "kind": "int", "default": "x"}), "whole number"},
		"bounds":            {option(map[string]any{"name": "A", "kind": "int", "min": 2, "max": 1}), "over max"},
		"pattern":           {option(map[string]any{"name": "A", "kind": "text", "pattern": "("}), "missing closing"},
		"since":             {option(map[string]any{"name": "A", "kind": "text", "since": "new"}), "not a version"},
		"help":              {set("env", []any{map[string]any{"name": "A", "kind": "text"}}), "help"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x.json", c.data)
			if !errors.Is(err, &protocol.Fault{Code: protocol.Invalid}) {
				t.Fatalf("%v is not an Invalid fault", err)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.json") {
				t.Errorf("%q does not say %q", err, c.want)
			}
		})
	}
}

// FuzzTemplate: no catalogue makes Parse, Render or the search panic, and one that is accepted renders its defaults.
func FuzzTemplate(f *testing.F) {
	f.Add(builtin, "1.21.4", "MOTD", "hello")
	f.Add([]byte(`{"templates":[{"name":"a","title":"a","summary":"a","category":"a","image":"a","versions":["1.0"],"default_version":"1.0",`+
		`"memory":{"min":1,"recommended":1,"default":1},"data_dir":"/d","game_port":1,"env":[{"name":"A","kind":"text","pattern":"a*","help":"h"}]}]}`), "1.0", "A", "aa")
	f.Add([]byte(`{"templates":[{"memory":{"min":"1e999GiB"}}]}`), "", "", "")
	f.Fuzz(func(t *testing.T, data []byte, version, name, value string) {
		c, err := Parse("fuzz", data)
		if err != nil {
			if protocol.CodeOf(err) != protocol.Invalid {
				t.Fatalf("%v is not Invalid", err)
			}
			return
		}
		for _, entry := range c.List(Query{Text: name, Players: 3}) {
			if _, err := entry.Render(Input{}); err != nil {
				t.Fatalf("accepted, but its defaults do not render: %v", err)
			}
			spec, err := entry.Render(Input{Version: version, Env: map[string]string{name: value}})
			if err == nil && spec.Env[name] != value {
				t.Fatalf("%s=%q was accepted and became %q", name, value, spec.Env[name])
			}
		}
		if _, err := c.Get(name); err != nil && protocol.CodeOf(err) != protocol.NotFound {
			t.Fatal(err)
		}
	})
}
