package open

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/store"
	"pgregory.net/rapid"
)

func TestSameDoc(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{`{"a":1,"b":[2,null,true]}`, `{ "b": [2, null, true], "a": 1 }`, true},
		{`{"a":1e30}`, `{"a":1000000000000000000000000000000}`, true},
		{`{"a":1.50}`, `{"a":1.5}`, true}, {`{"a":-0.0}`, `{"a":0}`, true},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, false}, // the same float64
		{`{"a":1e9999999999}`, `{"a":2e9999999999}`, false},
		{`{"a":"\u00e9"}`, `{"a":"é"}`, true}, {`{"a":"é"}`, `{"a":"e\u0301"}`, false},
		{`{"a":null}`, `{}`, false}, {`{"a":1}`, `{"b":1}`, false}, {`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{`{"a":1}`, `{"a":"1"}`, false}, {`{"a":{}}`, `{"a":[]}`, false}, {`{"a":false}`, `{"a":null}`, false}, {`[]`, `{}`, false},
	}
	for _, test := range tests {
		for _, way := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if same, err := sameDoc([]byte(way[0]), []byte(way[1])); same != test.same || err != nil {
				t.Errorf("sameDoc(%s, %s) = %v, %v", way[0], way[1], same, err)
			}
		}
	}
}

func TestSameDocWithItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Float64())).Draw(t, "v")
		plain, err := json.Marshal(v)
		if err != nil {
			t.Skip()
		}
		wide, err := json.MarshalIndent(v, " ", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if same, err := sameDoc(plain, wide); !same || err != nil {
			t.Errorf("%s: %v, %v", plain, same, err)
		}
	})
}

// list is a store in memory.
type list struct {
	head store.Header
	rows []store.Row
}

func (l list) Dump(_ context.Context, head func(store.Header) error, row func(store.Row) error) error {
	if err := head(l.head); err != nil {
		return err
	}
	for _, r := range l.rows {
		if err := row(r); err != nil {
			return err
		}
	}
	return nil
}

func TestCompareFindsEachDifference(t *testing.T) {
	name := store.IndexDef{Name: "name", Kind: store.KindString}
	val := func(s string) []store.Value { return []store.Value{{Set: true, Kind: store.KindString, Str: s}} }
	make := func(change func(*list)) list {
		l := list{
			head: store.Header{Cluster: "c", Term: 3, Sequences: map[string]int64{"n": 2}, Tables: []store.TableHead{{Name: "a", Rows: 2, Indexes: []store.IndexDef{name}}, {Name: "b", Rows: 1}}},
			rows: []store.Row{{Table: "a", Key: "1", Doc: []byte(`{"x":1}`), Values: val("one")}, {Table: "a", Key: "2", Doc: []byte(`{}`), Values: val("two")}, {Table: "b", Key: "1", Doc: []byte(`{}`)}},
		}
		change(&l)
		return l
	}
	tests := map[string]struct {
		change func(*list)
		says   string
	}{
		"nothing":      {func(*list) {}, ""},
		"spaces":       {func(l *list) { l.rows[0].Doc = []byte(`{ "x": 1 }`) }, ""},
		"empty table":  {func(l *list) { l.head.Tables = append(l.head.Tables, store.TableHead{Name: "c"}) }, ""},
		"document":     {func(l *list) { l.rows[0].Doc = []byte(`{"x":2}`) }, `a, row "1": its document`},
		"value":        {func(l *list) { l.rows[1].Values = val("2") }, `a, row "2": its value for index name`},
		"no value":     {func(l *list) { l.rows[1].Values = []store.Value{{}} }, `its value for index name`},
		"values":       {func(l *list) { l.rows[1].Values = nil }, "one value for each index"},
		"missing":      {func(l *list) { l.rows = l.rows[1:] }, `a, row "1": it did not arrive`},
		"missing last": {func(l *list) { l.rows = l.rows[:2] }, `b, row "1": it did not arrive`},
		"extra":        {func(l *list) { l.rows = append(l.rows, store.Row{Table: "b", Key: "2"}) }, `b, row "2": it came from nowhere`},
		"other key":    {func(l *list) { l.rows[2].Key = "0" }, `b, row "0": it came from nowhere`},
		"cluster":      {func(l *list) { l.head.Cluster = "d" }, "cluster"},
		"term":         {func(l *list) { l.head.Term = 2 }, "term"},
		"sequence":     {func(l *list) { l.head.Sequences = map[string]int64{"n": 1} }, "sequence n ends at 1, not at 2"},
		"new sequence": {func(l *list) { l.head.Sequences = map[string]int64{"n": 2, "m": 1} }, "sequence m"},
		"count":        {func(l *list) { l.head.Tables[0].Rows = 3 }, "table a"},
		"table":        {func(l *list) { l.head.Tables = l.head.Tables[1:] }, "table a"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			seen := 0
			err := compare(t.Context(), make(func(*list) {}), make(test.change), 0, func(store.Header, store.Row) { seen++ })
			var d difference
			if test.says == "" && (err != nil || seen != 3) || test.says != "" && (!errors.As(err, &d) || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("compare: %v after %d rows, want %q", err, seen, test.says)
			}
		})
	}
	if err := compare(t.Context(), make(func(*list) {}), make(func(*list) {}), 1, nil); err == nil {
		t.Error("a term that did not rise was taken")
	}
}
