package lifecycle

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// Entry is a server as people see it.
type Entry struct {
	fleet.Server
	NodeName string
	Status   fleet.Status
}

// Get reads a server by name, or by id also while it is being deleted. Kinds: not_found.
func (l *Lifecycle) Get(ctx context.Context, nameOrID string) (Entry, error) {
	var e Entry
	err := l.db.View(ctx, func(tx store.Tx) error {
		s, err := fleet.FindServer(tx, nameOrID)
		if err != nil {
			return err
		}
		e, err = look(tx, s, map[string]*fleet.Node{}, time.Now())
		return err
	})
	return e, err
}

// Filter says which servers List gives; empty fields match all.
type Filter struct {
	Owner, Node, State, Template string
	Deleted                      bool   // also those being deleted; they come by id, and so does After then
	After                        string // name (id with Deleted) of the last one of the page before
	Limit                        int    // 0 = 100, at most 1,000
}

// List gives a page of servers by name and the After of the next page, "" if there is none.
func (l *Lifecycle) List(ctx context.Context, f Filter) (page []Entry, next string, err error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	f.Limit = min(f.Limit, 1000)
	err = l.db.View(ctx, func(tx store.Tx) error {
		page, next = nil, ""
		now, nodes := time.Now(), map[string]*fleet.Node{}
		for s, err := range f.walk(tx) {
			if err != nil {
				return err
			}
			if !f.match(s) {
				continue
			}
			e, err := look(tx, s, nodes, now)
			if err != nil {
				return err
			}
			if f.State != "" && e.Status.State != f.State {
				continue
			}
			if len(page) == f.Limit {
				last := page[len(page)-1]
				if next = last.Name; f.Deleted {
					next = last.ID
				}
				return nil
			}
			page = append(page, e)
		}
		return nil
	})
	return page, next, err
}

func (f Filter) walk(tx store.Tx) iter.Seq2[fleet.Server, error] {
	index := "name" // deleted ones are not in it
	if f.Deleted {
		index = ""
	}
	var from any
	if f.After != "" {
		from = f.After + " " // no name or id has a blank: the first after it
	}
	return fleet.Servers.Range(tx, index, from, nil, 0, false)
}

func (f Filter) match(s fleet.Server) bool {
	return (f.Owner == "" || s.Owner == f.Owner) && (f.Node == "" || s.Node == f.Node) && (f.Template == "" || s.Template == f.Template)
}

// look adds to a row what people want to know; nodes are read once.
func look(tx store.Tx, s fleet.Server, nodes map[string]*fleet.Node, now time.Time) (Entry, error) {
	n, known := nodes[s.Node]
	if !known && s.Node != "" {
		row, err := fleet.Nodes.Get(tx, s.Node)
		if err == nil {
			n = &row
		} else if fault.KindOf(err) != fault.NotFound {
			return Entry{}, err
		}
		nodes[s.Node] = n
	}
	e := Entry{Server: s, Status: fleet.State(s, n, now)}
	if n != nil {
		e.NodeName = n.Name
	}
	return e, nil
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
