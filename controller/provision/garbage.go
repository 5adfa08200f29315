package provision

import (
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// What is done about a thing in the cloud.
const (
	GarbageAdopt  = "adopt"  // a row lacks it
	GarbageDelete = "delete" // nobody knows it
	GarbageLeave  = "leave"  // it is looked at, and left alone; Why says why
)

const (
	// tooYoung things may be on their way into a row.
	tooYoung = 10 * time.Minute
	// building is how long making an image may take.
	building = time.Hour
)

// Garbage is one thing in the cloud that no row accounts for, or a row whose thing is gone.
type Garbage struct {
	Kind   cloud.ThingKind `json:"kind"`
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Do     string          `json:"do"` // GarbageAdopt, GarbageDelete, GarbageLeave
	Why    string          `json:"why"`
	Since  time.Time       `json:"since,omitzero"`   // when it was made
	Result string          `json:"result,omitempty"` // "done", or what went wrong; empty in a dry run
	row    string          // of adopt
}

// known is what rows say, for judging things.
type known struct {
	cluster string
	frozen  bool
	byCloud map[string]Machine // by the provider's id; a row that costs before one that is gone
	byLabel map[string]Machine
	busy    map[string]bool  // labels of machines that a node with servers runs on
	nodes   map[string]bool  // provider's ids of machines that a node which may connect says it runs on
	images  map[string]bool  // that rows and settings name
	builds  map[string]Image // by label
	keep    func(cloud.Thing) string
	// collects tells whether images that nobody knows are garbage.
	collects bool
	fixed    map[cloud.ThingKind]int // how many fixtures of a kind there are
}

// readKnown reads it.
func (p *Provision) readKnown(tx store.Tx) (known, error) {
	k := known{cluster: p.opts.Cluster, keep: p.opts.Keep, byCloud: map[string]Machine{}, byLabel: map[string]Machine{}, busy: map[string]bool{}, nodes: map[string]bool{}, images: map[string]bool{}, builds: map[string]Image{}, collects: p.opts.Keep != nil || p.opts.Images != nil}
	var err error
	if _, k.frozen, err = inRecovery(tx); err != nil {
		return k, err
	}
	for m, err := range Machines.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return k, err
		}
		k.byLabel[label(m.ID)] = m
		if old, ok := k.byCloud[m.CloudID]; m.CloudID != "" && (!ok || !old.Costs()) {
			k.byCloud[m.CloudID] = m
		}
		if m.Costs() {
			k.images[m.Image] = true
			for _, c := range m.Others {
				k.images[c.Image] = true
			}
		}
	}
	for i, err := range Images.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return k, err
		}
		k.builds[label(i.ID)] = i
	}
	set, err := p.opts.ImageSettings(tx)
	if err != nil {
		return k, err
	}
	for _, id := range set.Used {
		k.images[id] = true
	}
	for n, err := range fleet.Nodes.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return k, err
		}
		if !n.Revoked && n.Facts.MachineID != "" {
			k.nodes[n.Facts.MachineID] = true
		}
		if n.Machine == "" {
			continue
		}
		is, err := occupied(tx, n.ID)
		if err != nil {
			return k, err
		}
		k.busy[label(n.Machine)] = k.busy[label(n.Machine)] || is
	}
	return k, nil
}

// judge decides about one thing; nil: it is where it belongs. Pure.
func (k known) judge(t cloud.Thing, now time.Time) *Garbage {
	g := &Garbage{Kind: t.Kind, ID: t.ID, Name: t.Name, Do: GarbageLeave, Since: t.Created}
	age := now.Sub(t.Created)
	switch {
	case !cloud.Ours(t.Labels, k.cluster):
		g.Why = "it does not carry this cluster's labels"
		return g
	case t.Kind == cloud.ThingMachine:
		return k.judgeMachine(t, g, age)
	case t.InUse:
		return nil
	}
	if k.keep != nil && k.keep(t) != "" {
		return nil
	}
	switch {
	case t.Kind == cloud.ThingImage && (!k.collects || k.images[t.ID] || k.images[t.Name] || k.built(t)):
		return nil
	case t.Labels[cloud.LabelRole] == string(cloud.RoleFixture) && k.fixed[t.Kind] <= 1:
		return nil // the next order needs it; it costs nothing
	case t.Labels[cloud.LabelRole] == string(cloud.RoleFixture):
		g.Why = "there are several of its kind, and it is not sure which one the next order uses: take away the others by hand"
	case k.wait(g, t, age, tooYoung):
	default:
		g.Do, g.Why = GarbageDelete, "nothing uses it"
	}
	return g
}

func (k known) judgeMachine(t cloud.Thing, g *Garbage, age time.Duration) *Garbage {
	row, labelled := k.byLabel[t.Labels[cloud.LabelMachine]]
	owner, owned := k.byCloud[t.ID]
	build, builds := k.builds[t.Labels[cloud.LabelMachine]]
	role := cloud.Role(t.Labels[cloud.LabelRole])
	least := tooYoung
	if role == cloud.RoleBuilder && !builds {
		least = building
	}
	switch {
	case owned && owner.Costs(), builds && build.GoneAt.IsZero() && (build.Cloud == "" || build.Cloud == t.ID):
		return nil
	case k.nodes[t.ID], k.busy[t.Labels[cloud.LabelMachine]] && !(labelled && row.Costs()):
		// The store may come from a backup of before the order, and the node may have been let in by hand since.
		g.Why = "a node runs on it, and no row of a machine knows it: revoke the node when nothing on it is needed"
	case k.wait(g, t, age, least):
	case labelled && row.Phase == Ordering:
		g.Do, g.Why, g.row = GarbageAdopt, "it was ordered for "+row.Name+", whose row does not know it yet", row.ID
	case labelled && row.Costs():
		g.Do, g.Why = GarbageDelete, fmt.Sprintf("it is a second machine of %s, whose own is %s", row.Name, row.CloudID)
	case labelled:
		g.Do, g.Why = GarbageDelete, "its row says that it is gone: "+row.Why
	case builds:
		g.Do, g.Why = GarbageDelete, "the image that it was to build is "+string(build.Phase)
	case role == cloud.RoleBuilder && k.keep != nil && k.keep(t) != "":
		return nil
	case role == cloud.RoleBuilder:
		g.Do, g.Why = GarbageDelete, "it was to build an image and has not ended"
	default:
		g.Do, g.Why = GarbageDelete, "no row knows it"
	}
	return g
}

// built tells whether an image is the one of a row, or may become it.
func (k known) built(t cloud.Thing) bool {
	i, ok := k.builds[t.Labels[cloud.LabelMachine]]
	return ok && (i.Busy() || i.Phase == ImageReady && i.Image == t.ID)
}

// wait tells whether it is too early or not the time to decide.
func (k known) wait(g *Garbage, t cloud.Thing, age, least time.Duration) bool {
	switch {
	case k.frozen:
		g.Why = "the store may be older than what the nodes know (recovery mode)"
	case t.Created.IsZero():
		g.Why = "its age is not known"
	case age < least:
		g.Why = "it is younger than " + least.String()
	default:
		return false
	}
	return true
}
