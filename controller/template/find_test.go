package template

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/payperplay/payperplay/protocol"
)

func names(list []Template) []string {
	var result []string
	for _, t := range list {
		result = append(result, t.Name)
	}
	return result
}

func TestGetNamesWhatComesNear(t *testing.T) {
	c := builtinCatalogue(t)
	for asked, want := range map[string]string{
		"papper": "did you mean paper?", "Paper": "did you mean paper?", "squid": "did you mean flying-squid?", "neo-forge": "did you mean neoforge",
		"fabirc": "did you mean fabric?", "bedrock": "choose one of vanilla, paper", "": "choose one of", strings.Repeat("x", 1000): "choose one of",
	} {
		_, err := c.Get(asked)
		if !errors.Is(err, &protocol.Fault{Code: protocol.NotFound}) || !strings.Contains(err.Error(), want) {
			t.Errorf("Get(%.20q): %v, want %q in it", asked, err, want)
		}
		if len(err.Error()) > 300 {
			t.Errorf("Get(%.20q): %d characters of error", asked, len(err.Error()))
		}
	}
}

func TestList(t *testing.T) {
	c := builtinCatalogue(t)
	for _, test := range []struct {
		query Query
		want  []string
	}{
		{Query{Category: "plugins"}, []string{"paper", "purpur"}},
		{Query{Category: "Mods"}, []string{"fabric", "forge", "neoforge"}},
		{Query{Text: "mod LOADER"}, []string{"fabric", "forge"}},
		{Query{Text: "javascript"}, []string{"flying-squid"}},
		{Query{Text: "nothing has this"}, nil},
		{Query{Popular: true}, []string{"vanilla", "paper", "fabric"}},
		{Query{Category: "plugins", Text: "settings"}, []string{"purpur"}},
	} {
		if diff := cmp.Diff(test.want, names(c.List(test.query))); diff != "" {
			t.Errorf("List(%+v): %s", test.query, diff)
		}
	}
	if got := names(c.List(Query{Players: 50})); got[0] != "paper" || got[len(got)-1] != "flying-squid" {
		t.Errorf("for 50 players: %v", got)
	}
	if got := len(c.List(Query{})); got != 8 {
		t.Errorf("%d templates, want 8", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"paper", "paper", 0}, {"papre", "paper", 1}, {"pper", "paper", 1}, {"forge", "fabric", 4}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%s, %s) = %d, want %d", c.a, c.b, got, c.want)
		}
		if distance(c.a, c.b) != distance(c.b, c.a) {
			t.Errorf("distance(%s, %s) depends on the order", c.a, c.b)
		}
	}
}
