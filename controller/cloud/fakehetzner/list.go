package fakehetzner

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entry is a thing as a list sees it: alive, or from a grave.
type entry struct {
	head *head
	view func() obj
}

// listed answers a list of a kind: filters, order, pages, and what lags.
func listed[T item](c *Cloud, r *call, s *shelf[T], also func(T) bool) (reply, error) {
	name, selector := r.query.Get("name"), r.query.Get("label_selector")
	past, lags := c.lag(r, name != "")
	var rows []entry
	for _, t := range s.all() {
		if (also == nil || also(t)) && !(lags && t.common().born.After(past)) {
			rows = append(rows, entry{head: t.common(), view: func() obj { return t.view(c) }})
		}
	}
	if lags {
		for _, g := range s.graves {
			if g.head.gone.After(past) && !g.head.born.After(past) {
				rows = append(rows, entry{head: &g.head, view: func() obj { return g.last }})
			}
		}
	}
	kept := rows[:0]
	for _, e := range rows {
		ok, err := selects(selector, e.head.Labels)
		if err != nil {
			return reply{}, err
		}
		if ok && (name == "" || e.head.Name == name) {
			kept = append(kept, e)
		}
	}
	if err := arrange(kept, r.query["sort"]); err != nil {
		return reply{}, err
	}
	page, meta, err := paged(kept, r.query)
	if err != nil {
		return reply{}, err
	}
	views := []obj{}
	for _, e := range page {
		views = append(views, e.view())
	}
	return reply{status: http.StatusOK, body: obj{s.many: views, "meta": meta}}, nil
}

// lag gives the moment that a list shows, if it lags.
func (c *Cloud) lag(r *call, byName bool) (time.Time, bool) {
	rule := c.first(r.method, r.path, func(r Rule) bool { return r.Names || !byName }, Lag)
	if rule == nil {
		return time.Time{}, false
	}
	return c.now().Add(-rule.Delay), true
}

func arrange(rows []entry, by []string) error {
	var orders []func(a, b entry) int
	for _, b := range by {
		field, direction, _ := strings.Cut(b, ":")
		var order func(a, b entry) int
		switch field {
		case "id":
			order = func(a, b entry) int { return cmp.Compare(a.head.ID, b.head.ID) }
		case "name":
			order = func(a, b entry) int { return cmp.Compare(a.head.Name, b.head.Name) }
		case "created":
			order = func(a, b entry) int { return a.head.Created.Compare(b.head.Created) }
		default:
			return invalid("sort", "cannot sort by %q", field)
		}
		switch direction {
		case "", "asc":
		case "desc":
			up := order
			order = func(a, b entry) int { return up(b, a) }
		default:
			return invalid("sort", "%q is no direction", direction)
		}
		orders = append(orders, order)
	}
	orders = append(orders, func(a, b entry) int { return cmp.Compare(a.head.ID, b.head.ID) })
	slices.SortStableFunc(rows, func(a, b entry) int {
		for _, o := range orders {
			if n := o(a, b); n != 0 {
				return n
			}
		}
		return 0
	})
	return nil
}

// paged cuts a page; 25 a page unless asked otherwise, at most 50.
func paged[T any](rows []T, q url.Values) ([]T, obj, error) {
	page, size := 1, 25
	for name, field := range map[string]*int{"page": &page, "per_page": &size} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return nil, nil, invalid(name, "must be a number of at least 1")
			}
			*field = n
		}
	}
	size = min(size, 50)
	total := len(rows)
	last := max(1, (total+size-1)/size)
	meta := obj{"page": page, "per_page": size, "previous_page": nil, "next_page": nil, "last_page": last, "total_entries": total}
	if page > 1 {
		meta["previous_page"] = page - 1
	}
	if page < last {
		meta["next_page"] = page + 1
	}
	from := min(total, (page-1)*size)
	return rows[from:min(total, from+size)], obj{"pagination": meta}, nil
}
