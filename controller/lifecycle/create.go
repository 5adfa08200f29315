package lifecycle

import (
	"context"
	"maps"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// CreateInput is what a new server is made from. Sizes that are 0 are the template's.
type CreateInput struct {
	Name        string
	Owner       string // "" = the actor
	Template    string
	Version     string // "" = the template's newest
	Env         map[string]string
	MemoryBytes int64
	CPUMillis   int64
	DiskBytes   int64
	Node        string // name or id of the only node it may run on; "" = any
	Start       bool
	// Once identifies the request ("" = not at all): a second Create with the same Once gives the server that the first one made.
	Once string
}

// Create makes a server and, if asked, starts it. Kinds: invalid (name, template's settings, sizes), not_found (template, version,
// node), conflict (the name is taken).
func (l *Lifecycle) Create(ctx context.Context, actor string, in CreateInput) (fleet.Server, error) {
	if err := fleet.CheckName("server", in.Name); err != nil {
		return fleet.Server{}, err
	}
	spec, err := l.catalogue.Render(Ask{in.Template, in.Version, in.Env, in.MemoryBytes, in.CPUMillis, in.DiskBytes})
	if err != nil {
		return fleet.Server{}, err
	}
	if in.Owner == "" {
		in.Owner = actor
	}
	id, op, now := fleet.NewID(fleet.ServerPrefix), fleet.NewID("op_"), time.Now().UTC()
	var out fleet.Server
	err = l.update(ctx, func(tx store.Tx) error {
		s := fleet.Server{
			ID: id, Name: in.Name, Owner: in.Owner, Template: in.Template, Version: in.Version, Env: maps.Clone(in.Env),
			Desired: fleet.Stopped, DesiredBy: actor, DesiredAt: now, Revision: 1,
			CreatedAt: now, CreatedBy: actor, UpdatedAt: now, UpdatedBy: actor, Once: in.Once,
		}
		apply(&s, spec)
		if in.Node != "" {
			n, err := fleet.FindNode(tx, in.Node)
			if err != nil {
				return err
			}
			s.Pin = n.ID
		}
		if old, err := fleet.Servers.Lookup(tx, "name", s.Name); err == nil {
			if out = old; in.Once != "" && old.Once == in.Once {
				return nil
			}
			return fault.New(fault.Conflict, "there is a server "+s.Name+" already", "choose another name")
		}
		if err := refuse(tx, fleet.Server{}, "created"); err != nil {
			return err
		}
		if err := fleet.Servers.Put(tx, s); err != nil {
			return err
		}
		if err := l.tell(tx, s, "server.created", actor, map[string]any{"template": s.Template, "version": s.Version, "memory_bytes": s.MemoryBytes}); err != nil {
			return err
		}
		out = s
		if !in.Start {
			return nil
		}
		var err error
		out, err = l.wantRunning(tx, s, actor, op, fleet.OpStart, now)
		return err
	})
	if err != nil || !in.Start || out.ID != id {
		return out, err
	}
	return l.placeNow(ctx, out)
}

// apply puts a rendered spec into the row, with the identity that the catalogue does not know.
func apply(s *fleet.Server, spec protocol.Spec) {
	spec.Server, spec.Name, spec.Owner, spec.Revision, spec.HostPort = s.ID, s.Name, s.Owner, s.Revision, s.Spec.HostPort
	s.Version, s.MemoryBytes, s.CPUMillis, s.DiskBytes = spec.Version, spec.MemoryBytes, spec.CPUMillis, spec.DiskBytes
	s.Spec = spec
}

// tell appends an event about s; data is joined by its name and what was desired of it.
func (l *Lifecycle) tell(tx store.Tx, s fleet.Server, what, actor string, data map[string]any) error {
	all := map[string]any{"name": s.Name, "desired": s.Desired}
	maps.Copy(all, data)
	if s.DesiredReason != "" {
		all["reason"] = s.DesiredReason
	}
	_, err := l.events.Append(tx, event.Event{Type: what, Server: s.ID, Node: s.Node, Owner: s.Owner, Actor: actor, Data: event.JSON(all)})
	return err
}
