package postgres

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"pgregory.net/rapid"
)

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`{}`: `{}`, ` [ ] `: `[]`, `null`: `null`, `[true,false]`: `[true, false]`,
		`{"bb":1,"a":2,"aa":3}`:         `{"a": 2, "aa": 3, "bb": 1}`,
		`{"a":1,"b":2,"a":{"x":[1,2]}}`: `{"a": {"x": [1, 2]}, "b": 2}`,
		`{"é":1,"zz":2,"z":3}`:          `{"z": 3, "zz": 2, "é": 1}`,
		`"\u0041\/\u00e4\ud83c\udfae"`:  `"A/ä🎮"`,
		`"\u0001\b\f\n\r\t\"\\\u007f"`:  `"\u0001\b\f\n\r\t\"\\` + "\x7f\"",
		`{"\u0061":1,"a":2}`:            `{"a": 2}`,
		`1.50`:                          `1.50`, `1e2`: `100`, `1.5e1`: `15`, `1.50e1`: `15.0`, `-1E-3`: `-0.001`, `-0`: `0`, `-0.00`: `0.00`, `0e5`: `0`,
		`9007199254740993`: `9007199254740993`, `1e+3`: `1000`, `12.5e-1`: `1.25`, `0.001e2`: `0.1`, `-0e-2`: `0.00`,
	} {
		got, err := canonical([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("canonical(%s) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{``, `{`, `[1,]`, `{"a"}`, `{"a":1`, `"a`, `"\x"`, `"\ud83c"`, `tru`, `1 2`, `.5`, `-`, `1e`, `1ee2`, `{a:1}`, `[1 2]`} {
		if got, err := canonical([]byte(in)); !errors.Is(err, errJSON) {
			t.Errorf("canonical(%s) = %s, %v; want an error", in, got, err)
		}
	}
	for _, in := range []string{`1e1001`, `1e-99999999999999999999`, strings.Repeat("[", 1200) + strings.Repeat("]", 1200)} {
		if _, err := canonical([]byte(in)); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("canonical(%.20s) = %v, want ErrInvalid", in, err)
		}
	}
}

// genJSON makes values with all that the two spellings differ in.
func genJSON(depth int) *rapid.Generator[any] {
	text := rapid.OneOf(rapid.StringMatching(`[a-c]{0,3}`), rapid.Map(rapid.String(), func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "") }))
	number := rapid.Map(rapid.StringMatching(`-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?`), func(s string) any { return json.Number(s) })
	leaf := rapid.OneOf(rapid.Map(text, func(s string) any { return s }), number, rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Just(any(nil)))
	if depth == 0 {
		return leaf
	}
	inner := genJSON(depth - 1)
	return rapid.OneOf(leaf, rapid.Map(rapid.SliceOfN(inner, 0, 5), func(s []any) any { return s }),
		rapid.Map(rapid.MapOfN(text, inner, 0, 6), func(m map[string]any) any { return m }))
}

// TestCanonicalIsWhatPostgresPrints is why a read costs no second parse, and that our spelling of theirs is ours.
func TestCanonicalIsWhatPostgresPrints(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rapid.Check(t, func(rt *rapid.T) {
		doc, err := json.Marshal(genJSON(2).Draw(rt, "value"))
		if err != nil {
			rt.Fatal(err)
		}
		if rapid.Bool().Draw(rt, "twice") { // the same keys once more
			doc = []byte(`{"x":{"a":` + string(doc) + `,"b":0,"a":` + string(doc) + `}}`)
		}
		var theirs string
		if err := conn.QueryRow(t.Context(), "SELECT $1::jsonb::text", string(doc)).Scan(&theirs); err != nil {
			rt.Fatal(err)
		}
		ours, err := canonical(doc)
		if err != nil || string(ours) != theirs {
			rt.Fatalf("canonical(%s)\n ours   %s (%v)\n theirs %s", doc, ours, err, theirs)
		}
		if again, err := canonical(ours); err != nil || string(again) != string(ours) {
			rt.Fatalf("the spelling of %s is %s (%v)", ours, again, err)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `[1.5e3,"x"]`, `"\ud83c\udfae"`, `{"a":{"b":[null]}}`, `-0.0`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := canonical(doc)
		if err != nil {
			return
		}
		if !json.Valid(doc) {
			return // it is only asked about what json.Marshal or Postgres has made
		}
		if again, err := canonical(got); !json.Valid(got) || err != nil || string(again) != string(got) {
			t.Fatalf("canonical(%q) = %q, again %q (%v)", doc, got, again, err)
		}
	})
}
