package fakehetzner

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// target is what an action is about.
type target struct {
	kind string
	id   int64
}

// action is work that takes time.
type action struct {
	id             int64
	command        string
	targets        []target
	started, due   time.Time
	finished       time.Time // zero = it runs
	failCode, note string
	done           func() // what it comes to, unless it fails
	undo           func() // what it comes to if it fails
	after          *action
	held           func() bool // it cannot end yet: power is still on
}

// start begins an action that ends after a while, and after another one if given. Its targets are locked until then.
func (c *Cloud) start(r *call, command string, takes time.Duration, done func(), targets ...target) *action {
	a := &action{id: c.newID(), command: command, targets: targets, started: c.now(), done: done}
	a.due = a.started.Add(takes)
	if r != nil {
		if rule := c.first(r.method, r.path, nil, ActionFail); rule != nil {
			a.failCode, a.note = cmp.Or(rule.Code, "action_failed"), "the action failed, as the fake was told to"
		}
	}
	c.forget()
	c.actions[a.id] = a
	c.running = append(c.running, a)
	return a
}

// keepActions is how many can be asked for; when there are twice as many, the oldest that have ended are forgotten.
const keepActions = 10_000

func (c *Cloud) forget() {
	if len(c.actions) < 2*keepActions {
		return
	}
	ids := slices.Sorted(maps.Keys(c.actions))
	for _, id := range ids[:len(ids)-keepActions] {
		if !c.actions[id].finished.IsZero() {
			delete(c.actions, id)
		}
	}
}

// next begins an action that starts to count when another has ended.
func (c *Cloud) next(before *action, command string, takes time.Duration, done func(), targets ...target) *action {
	a := c.start(nil, command, 0, done, targets...)
	a.after, a.due = before, before.due.Add(takes)
	return a
}

// settle ends what is due, in the order of time.
func (c *Cloud) settle() {
	now := c.now()
	for {
		i := -1
		for j, a := range c.running {
			ready := !a.due.After(now) && (a.after == nil || !a.after.finished.IsZero())
			if ready && a.held != nil && a.held() {
				ready, a.due = false, now // it ends no earlier than that
			}
			if ready && (i < 0 || a.due.Before(c.running[i].due)) {
				i = j
			}
		}
		if i < 0 {
			break
		}
		a := c.running[i]
		c.running = slices.Delete(c.running, i, i+1)
		c.end(a)
	}
	c.vanish(now)
}

func (c *Cloud) end(a *action) {
	a.finished = a.due
	if a.after != nil && a.after.failCode != "" && a.failCode == "" {
		a.failCode, a.note = "action_failed", "the action before it failed"
	}
	do := a.done
	if a.failCode != "" {
		do = a.undo
	}
	if do != nil {
		do()
	}
}

// busy tells whether an action about it runs.
func (c *Cloud) busy(t target) bool {
	return slices.ContainsFunc(c.running, func(a *action) bool { return slices.Contains(a.targets, t) })
}

func (c *Cloud) viewAction(a *action) obj {
	status, progress := "running", 0
	var finished, failure any
	switch {
	case !a.finished.IsZero():
		status, progress, finished = "success", 100, a.finished.Truncate(time.Second)
		if a.failCode != "" {
			status, failure = "error", obj{"code": a.failCode, "message": a.note}
		}
	case a.due.After(a.started):
		progress = int(min(99, 100*c.now().Sub(a.started)/a.due.Sub(a.started)))
	}
	resources := []obj{}
	for _, t := range a.targets {
		resources = append(resources, obj{"id": t.id, "type": t.kind})
	}
	return obj{
		"id": a.id, "command": a.command, "status": status, "progress": progress, "started": a.started.Truncate(time.Second), "finished": finished,
		"resources": resources, "error": failure,
	}
}

func (c *Cloud) viewActions(list []*action) []obj {
	out := []obj{}
	for _, a := range list {
		out = append(out, c.viewAction(a))
	}
	return out
}

// started is the reply to a request that began one action.
func (c *Cloud) started(a *action) (reply, error) {
	return reply{status: http.StatusCreated, body: obj{"action": c.viewAction(a)}}, nil
}

// listActions answers /actions?id=…: the API lists only those that are asked for by id.
func (c *Cloud) listActions(r *call) (reply, error) {
	if len(r.query["id"]) == 0 {
		return reply{}, refuse(http.StatusGone, "deprecated_api_endpoint", "listing all actions was removed: ask for them by id")
	}
	asked := map[int64]*action{}
	for _, text := range r.query["id"] {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return reply{}, invalid("id", "must be a number")
		}
		if a, ok := c.actions[id]; ok {
			asked[id] = a
		}
	}
	return c.pageActions(r, asked, func(*action) bool { return true })
}

func (c *Cloud) pageActions(r *call, from map[int64]*action, keep func(*action) bool) (reply, error) {
	status := r.query["status"]
	var list []*action
	for _, a := range slices.SortedFunc(maps.Values(from), func(a, b *action) int { return cmp.Compare(a.id, b.id) }) {
		if keep(a) && (len(status) == 0 || slices.Contains(status, c.viewAction(a)["status"].(string))) {
			list = append(list, a)
		}
	}
	page, meta, err := paged(list, r.query)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: obj{"actions": c.viewActions(page), "meta": meta}}, nil
}

func (c *Cloud) getAction(r *call) (reply, error) {
	return c.oneAction(r.id, func(*action) bool { return true })
}

func (c *Cloud) oneAction(id int64, keep func(*action) bool) (reply, error) {
	a, ok := c.actions[id]
	if !ok || !keep(a) {
		return reply{}, notFound("action", id)
	}
	return reply{status: http.StatusOK, body: obj{"action": c.viewAction(a)}}, nil
}

// actionsOf answers /KIND/{id}/actions, and /KIND/{id}/actions/{action_id}.
func (c *Cloud) actionsOf(kind string) (list, one work) {
	about := func(r *call) func(*action) bool {
		return func(a *action) bool { return slices.Contains(a.targets, target{kind, r.id}) }
	}
	list = func(r *call) (reply, error) { return c.pageActions(r, c.actions, about(r)) }
	one = func(r *call) (reply, error) {
		id, _ := strconv.ParseInt(r.http.PathValue("action_id"), 10, 64)
		return c.oneAction(id, about(r))
	}
	return list, one
}
