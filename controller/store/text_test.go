package store

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckDoc(t *testing.T) {
	tests := map[string]bool{
		`{}`: true, `{"a":"plain"}`: true, `{"a":"\n\\\"\/"}`: true, `{"a":"\\u0000"}`: true, `{"a":"\\\\u0000"}`: true,
		`{"a":"\u0000"}`: false, `{"a":"\\\u0000"}`: false, `{"\u0000":1}`: false, `{"a":"\u00000"}`: false,
		`{"a":"\ufffd"}`: false, `{"a":"\uFFFD"}`: false, "{\"a\":\"\ufffd\"}": true,
		`{"a":"\ud83c\udfae"}`: true, `{"a":"\ud83c"}`: false, `{"a":"\udfae"}`: false, `{"a":"\ud83c\ud83c"}`: false, `{"a":"\ud83cx"}`: false,
		`{"a":"\u003c\u2028"}`: true, "{\"a\":\"\xff\"}": false, `{"a":"\uzzzz"}`: false,
		`[1e1000,-1E-1000,1.5e+999]`: true, `1e1001`: false, `[0,1E-99999999999999999999]`: false, `{"e9999":"e9999 \" 1e9999","t":true}`: true,
		`{"a\\":1e2000}`: false, `{"a\"":"1e2000"}`: true,
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000): true, strings.Repeat("[", 1001) + strings.Repeat("]", 1001): false,
		`"` + strings.Repeat("[", 1001) + `"`: true, strings.Repeat("[[],", 900) + "0" + strings.Repeat("]", 900): true,
	}
	for doc, ok := range tests {
		if err := CheckDoc([]byte(doc)); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("CheckDoc(%s) = %v", doc, err)
		}
	}
}

// FuzzCheckDoc: a document that json.Marshal made and CheckDoc took holds exactly the text that went in.
func FuzzCheckDoc(f *testing.F) {
	for _, s := range []string{"", "a", "\x00", "\xff", "\ufffd", `\u0000`, "\u2028", "🎮", "\\\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		doc, err := json.Marshal(map[string]string{s: s})
		if err != nil {
			t.Fatal(err)
		}
		fit := utf8.ValidString(s) && !strings.Contains(s, "\x00")
		if got := CheckDoc(doc) == nil; got != fit {
			t.Fatalf("CheckDoc(%q) = %v, want %v", doc, got, fit)
		}
		var back map[string]string
		if err := json.Unmarshal(doc, &back); err != nil || fit && back[s] != s {
			t.Fatalf("%q came back as %q (%v)", s, back, err)
		}
	})
}

func TestCheckDefs(t *testing.T) {
	good := TableDef{Name: "servers", Indexes: []IndexDef{{Name: "name", Kind: KindString}}}
	if err := CheckDefs([]TableDef{good, {Name: "nodes"}}); err != nil {
		t.Error(err)
	}
	for name, defs := range map[string][]TableDef{
		"twice":       {good, good},
		"no name":     {{}},
		"bad name":    {{Name: "Servers"}},
		"slash":       {{Name: "a/b"}},
		"long":        {{Name: strings.Repeat("x", 41)}},
		"index twice": {{Name: "a", Indexes: []IndexDef{{Name: "x", Kind: KindBool}, {Name: "x", Kind: KindBool}}}},
		"reserved":    {{Name: "a", Indexes: []IndexDef{{Name: "doc", Kind: KindBool}}}},
		"no kind":     {{Name: "a", Indexes: []IndexDef{{Name: "x"}}}},
		"bad index":   {{Name: "a", Indexes: []IndexDef{{Name: "x y", Kind: KindBool}}}},
	} {
		if CheckDefs(defs) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
