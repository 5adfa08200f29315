package fakehetzner

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// obj is a JSON object of the API.
type obj = map[string]any

// head is what all things have.
type head struct {
	ID        int64
	Name      string
	Labels    map[string]string
	Created   time.Time // as the API writes it, whole seconds
	born      time.Time // exactly
	gone      time.Time
	protected bool
}

func (h *head) common() *head { return h }

// item is a thing on a shelf.
type item interface {
	comparable
	common() *head
	view(c *Cloud) obj // as the API shows it
}

// grave keeps how a thing looked when it went, for lists that lag.
type grave struct {
	head head
	last obj
}

// keepGraves is the longest that lists can lag.
const keepGraves = time.Hour

// shelf holds all things of a kind.
type shelf[T item] struct {
	one, many string // the API's words for the kind
	rows      map[int64]T
	graves    []grave
}

func newShelf[T item](one, many string) *shelf[T] {
	return &shelf[T]{one: one, many: many, rows: map[int64]T{}}
}

func (s *shelf[T]) get(id int64) (T, error) {
	if t, ok := s.rows[id]; ok {
		return t, nil
	}
	var none T
	return none, notFound(s.one, id)
}

func (s *shelf[T]) named(name string) (T, bool) {
	for _, t := range s.rows {
		if t.common().Name == name {
			return t, true
		}
	}
	var none T
	return none, false
}

// all is ordered by id.
func (s *shelf[T]) all() []T {
	return slices.SortedFunc(maps.Values(s.rows), func(a, b T) int { return cmp.Compare(a.common().ID, b.common().ID) })
}

var labelValue = regexp.MustCompile(`^([a-z0-9A-Z]([a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?)?$`)

var labelKey = regexp.MustCompile(`^([a-z0-9A-Z.-]{1,253}/)?[a-z0-9A-Z]([a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?$`)

func checkLabels(labels map[string]string) error {
	for k, v := range labels {
		if !labelKey.MatchString(k) || strings.HasPrefix(k, "hetzner.cloud/") {
			return invalid("labels", "%q is not a valid key", k)
		}
		if !labelValue.MatchString(v) {
			return invalid("labels", "%q is not a valid value", v)
		}
	}
	return nil
}

// put places a new thing. Names are unique within a kind.
func put[T item](c *Cloud, s *shelf[T], t T, name string, labels map[string]string) error {
	if name == "" {
		return invalid("name", "must not be empty")
	}
	if err := checkLabels(labels); err != nil {
		return err
	}
	if _, there := s.named(name); there {
		c.counters.Duplicates++
		return notUnique("name")
	}
	enter(c, s, t, name, labels)
	return nil
}

// drop takes a thing away, and remembers how it looked.
func drop[T item](c *Cloud, s *shelf[T], t T) {
	dropAt(c, s, t, c.now())
}

func dropAt[T item](c *Cloud, s *shelf[T], t T, when time.Time) {
	h := t.common()
	now := c.now()
	s.graves = slices.DeleteFunc(s.graves, func(g grave) bool { return now.Sub(g.head.gone) > keepGraves })
	last := t.view(c)
	h.gone = when
	s.graves = append(s.graves, grave{head: *h, last: last})
	delete(s.rows, h.ID)
}

// enter gives a thing its head and its place, whatever its name.
func enter[T item](c *Cloud, s *shelf[T], t T, name string, labels map[string]string) {
	now := c.now()
	h := t.common()
	*h = head{ID: c.newID(), Name: name, Labels: maps.Clone(labels), Created: now.Truncate(time.Second), born: now}
	if h.Labels == nil {
		h.Labels = map[string]string{}
	}
	s.rows[h.ID] = t
}
