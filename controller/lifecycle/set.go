package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Changes of a server's settings; nil is no change, an Env value of nil takes the setting away.
type Changes struct {
	Version     *string
	MemoryBytes *int64
	CPUMillis   *int64
	DiskBytes   *int64
	Env         map[string]*string
}

// SetResult is the changed server, and whether what runs of it still has the settings from before.
type SetResult struct {
	Server          fleet.Server
	RestartRequired bool
}

// Set changes settings. They count from the next start. ifMatch is the revision the caller read, 0 for whatever it is now.
// Kinds: not_found, invalid, precondition (the revision has changed), conflict (it is being deleted), exhausted (no disk on its node).
func (l *Lifecycle) Set(ctx context.Context, actor, name string, ifMatch int64, c Changes) (SetResult, error) {
	for {
		var s fleet.Server
		err := l.db.View(ctx, func(tx store.Tx) (err error) {
			s, err = fleet.FindServer(tx, name)
			return err
		})
		if err != nil {
			return SetResult{}, err
		}
		if ifMatch != 0 && s.Revision != ifMatch {
			return SetResult{}, fault.New(fault.Precondition, fmt.Sprintf("server %s was changed: it is at revision %d, not %d", s.Name, s.Revision, ifMatch),
				"read it again, and repeat the change if it still makes sense")
		}
		ask := c.onto(s)
		spec, err := l.catalogue.Render(ask)
		if err != nil {
			return SetResult{}, err
		}
		if s.Desired != fleet.Deleted && same(s, ask, spec) {
			return SetResult{s, !s.AtRest() && s.Observed.Revision != s.Revision}, nil
		}
		out, err := l.set(ctx, actor, s, ask, spec, c)
		if fault.KindOf(err) != fault.Precondition || ifMatch != 0 {
			return SetResult{out, !out.AtRest() && out.Observed.Revision != out.Revision}, err
		}
	}
}

// same tells that a change changes nothing: no new revision, no event, no restart asked for.
func same(s fleet.Server, ask Ask, spec protocol.Spec) bool {
	return s.Version == spec.Version && s.MemoryBytes == spec.MemoryBytes && s.CPUMillis == spec.CPUMillis && s.DiskBytes == spec.DiskBytes &&
		s.Spec.Image == spec.Image && maps.Equal(s.Env, ask.Env)
}

// set writes what was rendered from revision old.Revision, if that still counts.
func (l *Lifecycle) set(ctx context.Context, actor string, old fleet.Server, ask Ask, spec protocol.Spec, c Changes) (fleet.Server, error) {
	now := time.Now().UTC()
	var out fleet.Server
	err := l.update(ctx, func(tx store.Tx) error {
		s, err := fleet.FindServer(tx, old.ID)
		if fault.KindOf(err) == fault.NotFound { // deleted since it was read
			_, err = fleet.FindServer(tx, old.Name)
			if err == nil {
				return fault.New(fault.Precondition, "server "+old.Name+" is another one now", "read it again, and repeat the change if it still makes sense")
			}
		}
		if err != nil {
			return err
		}
		if s.Desired == fleet.Deleted {
			_, err := admit(s, fleet.OpStart, now)
			return err
		}
		if err := refuse(tx, s, "changed"); err != nil {
			return err
		}
		if s.Revision != old.Revision {
			return fault.New(fault.Precondition, "server "+s.Name+" was changed by somebody else", "read it again, and repeat the change if it still makes sense")
		}
		s.Env, s.Revision, s.UpdatedAt, s.UpdatedBy = ask.Env, s.Revision+1, now, actor
		apply(&s, spec)
		if err := fleet.Servers.Put(tx, s); err != nil {
			return err
		}
		if err := fleet.BookDisk(tx, s.ID); err != nil {
			return err
		}
		out = s
		return l.tell(tx, s, "server.changed", actor, map[string]any{"revision": s.Revision, "settings": c.names()})
	})
	return out, err
}

// onto is what to render: the server's settings with the changes.
func (c Changes) onto(s fleet.Server) Ask {
	a := Ask{s.Template, s.Version, maps.Clone(s.Env), s.MemoryBytes, s.CPUMillis, s.DiskBytes}
	if a.Env == nil {
		a.Env = map[string]string{}
	}
	for k, v := range c.Env {
		if v == nil {
			delete(a.Env, k)
		} else {
			a.Env[k] = *v
		}
	}
	if c.Version != nil {
		a.Version = *c.Version
	}
	for to, v := range map[*int64]*int64{&a.MemoryBytes: c.MemoryBytes, &a.CPUMillis: c.CPUMillis, &a.DiskBytes: c.DiskBytes} {
		if v != nil {
			*to = *v
		}
	}
	return a
}

// names lists what was changed, not to what: settings can hold secrets, and events are kept.
func (c Changes) names() []string {
	var out []string
	for name, set := range map[string]bool{"version": c.Version != nil, "memory": c.MemoryBytes != nil, "cpu": c.CPUMillis != nil, "disk": c.DiskBytes != nil} {
		if set {
			out = append(out, name)
		}
	}
	for k := range c.Env {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
