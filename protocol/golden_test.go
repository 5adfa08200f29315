package protocol

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write goldens that are missing; an existing one is never overwritten")

// fill sets every field of v to something that is not zero, by names alone, so that the golden changes only when the message does.
func fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(len(name)) + 1<<40)
	case reflect.Float64:
		v.SetFloat(float64(len(name)) + 0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(name))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)))
			return
		}
		for i := range v.NumField() {
			wire, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			fill(v.Field(i), wire)
		}
	default:
		panic(fmt.Sprintf("fill does not know %s (%s)", v.Kind(), name))
	}
}

// messages gives a filled value of every message of the table, by name.
func messages() map[string]func() any {
	all := map[string]func() any{}
	for _, row := range All() {
		all[row.Name+".request"] = row.NewRequest
		all[row.Name+".response"] = row.NewResponse
	}
	all["Fault"] = func() any { return new(Fault) }
	return all
}

func filled(make func() any) any {
	v := make()
	fill(reflect.ValueOf(v).Elem(), "")
	return v
}

func golden(version int, name string) string {
	return filepath.Join("testdata", fmt.Sprintf("v%d", version), name+".golden")
}

// TestGolden: what travels the wire changes only together with Version.
func TestGolden(t *testing.T) {
	for name, make := range messages() {
		got, err := json.MarshalIndent(filled(make), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		path := golden(Version, name)
		want, err := os.ReadFile(path)
		if os.IsNotExist(err) && *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what version %d is (%v):\n%s\nRaise protocol.Version, add a line to its history and run: go test ./protocol -run TestGolden -update\n"+
				"(only while version %d was never released: remove testdata/v%d instead of raising it)", name, Version, err, cmp.Diff(string(want), string(got)), Version, Version)
		}
	}
}

// TestGoldenHasNoStrays: a message that was dropped, or renamed, is a change too.
func TestGoldenHasNoStrays(t *testing.T) {
	files, err := filepath.Glob(golden(Version, "*"))
	if err != nil {
		t.Fatal(err)
	}
	known := messages()
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".golden"); known[name] == nil {
			t.Errorf("%s: no such message in the table; raise protocol.Version", f)
		}
	}
}

// TestServedVersionsDecode: what an agent of the version before sends is still understood.
func TestServedVersionsDecode(t *testing.T) {
	for v := Version; v >= 1 && Serves(v); v-- {
		for name, make := range messages() {
			raw, err := os.ReadFile(golden(v, name))
			if os.IsNotExist(err) && v < Version {
				continue // the message came later
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, make()); err != nil {
				t.Errorf("version %d of %s: %v", v, name, err)
			}
		}
	}
}

func TestEveryMessageRoundTrips(t *testing.T) {
	for name, make := range messages() {
		want := filled(make)
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		for what, raw := range map[string][]byte{"as sent": raw, "from a newer version": withUnknownFields(t, raw)} {
			got := make()
			if err := json.Unmarshal(raw, got); err != nil {
				t.Errorf("%s %s: %v", name, what, err)
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s: (-want +got)\n%s", name, what, diff)
			}
		}
		zero := make()
		if err := json.Unmarshal([]byte("{}"), zero); err != nil || !cmp.Equal(zero, make()) {
			t.Errorf("%s from an empty object: %+v, %v", name, zero, err)
		}
	}
}

// withUnknownFields adds a field that nobody knows to every object that is a message (not to maps of the message, whose keys are data).
func withUnknownFields(t *testing.T, raw []byte) []byte {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, inner := range v {
				walk(inner)
			}
			if _, data := v["key"]; !data {
				v["field_of_tomorrow"] = map[string]any{"x": 1}
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(v)
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
