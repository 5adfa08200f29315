package template

import (
	"cmp"
	"slices"
	"strings"

	"github.com/payperplay/payperplay/protocol"
)

// Get finds an entry by its name; the Fault for an unknown one names what comes near.
func (c *Catalogue) Get(name string) (Template, error) {
	if i, ok := c.byName[name]; ok {
		return c.list[i], nil
	}
	names := make([]string, 0, len(c.list))
	for _, t := range c.list {
		names = append(names, t.Name)
	}
	next := "choose one of " + strings.Join(names, ", ")
	if near := nearest(strings.ToLower(name), names); len(near) > 0 {
		next = "did you mean " + strings.Join(near, " or ") + "? (controller template list shows all)"
	}
	return Template{}, protocol.Faultf(protocol.NotFound, next, "there is no template %s", shorten(name))
}

// Query narrows a list; zero fields do not.
type Query struct {
	Category string
	Text     string // words that must all occur in name, title, summary or category
	Players  int    // how many are to play
	Popular  bool
}

// List gives the entries that fit, in the catalogue's order; with Players, those that suit that number best come first.
func (c *Catalogue) List(q Query) []Template {
	words := strings.Fields(strings.ToLower(q.Text))
	var found []Template
	for _, t := range c.list {
		text := strings.ToLower(t.Name + " " + t.Title + " " + t.Summary + " " + t.Category)
		fits := (q.Category == "" || strings.EqualFold(t.Category, q.Category)) && (!q.Popular || t.Popular)
		if fits && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			found = append(found, t)
		}
	}
	if q.Players > 0 {
		slices.SortStableFunc(found, func(a, b Template) int { return cmp.Compare(a.Players.miss(q.Players), b.Players.miss(q.Players)) })
	}
	return found
}

// miss is how far n lies outside the range. Too small a server is worse than too large a one.
func (p Players) miss(n int) int {
	switch {
	case n > p.To:
		return 2 * (n - p.To)
	case n < p.From:
		return p.From - n
	}
	return 0
}

const maxNear = 3

// nearest gives the names that somebody may have meant: few letters away, or one holds the other.
func nearest(name string, names []string) []string {
	type near struct {
		name string
		far  int
	}
	var found []near
	if len(name) > 64 {
		return nil
	}
	for _, n := range names {
		far := distance(name, n)
		switch {
		case far <= max(1, min(len(name), len(n))/3):
			found = append(found, near{n, far})
		case len(name) >= 3 && len(n) >= 3 && (strings.Contains(n, name) || strings.Contains(name, n)):
			found = append(found, near{n, 100 + far})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.far, b.far) })
	var result []string
	for _, f := range found[:min(len(found), maxNear)] {
		result = append(result, f.name)
	}
	return result
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
