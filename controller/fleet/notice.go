package fleet

import (
	"maps"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// maxFindings bounds what one node may have written down; it has no more servers than that.
const maxFindings = 4096

// judge reads what Judge needs.
func judge(tx store.Tx, node string, o protocol.Observed, inMode bool, r Recovery) (Sign, *Server, error) {
	s, err := Servers.Get(tx, o.Server)
	if err == nil {
		return Judge(node, o, &s, false, inMode, r), &s, nil
	}
	if fault.KindOf(err) != fault.NotFound {
		return "", nil, err
	}
	t, err := findTombstone(tx, o.Server)
	return Judge(node, o, nil, t != nil, inMode, r), nil, err
}

// signs looks through an inventory and gives a finding for each server that contradicts the store, by server.
func signs(tx store.Tx, node string, inventory []protocol.Observed, r Recovery, at time.Time) (map[string]Finding, error) {
	out := map[string]Finding{}
	r, err := viewOf(tx, r, node)
	if err != nil {
		return nil, err
	}
	inMode := r.Open
	opens := false
	for range 2 { // what counts only in the mode is looked at again when this inventory opens it
		for _, o := range inventory {
			if store.CheckKey(o.Server) != nil {
				continue
			}
			sign, s, err := judge(tx, node, o, inMode, r)
			if err != nil {
				return nil, err
			}
			if sign == "" {
				continue
			}
			f := finding(sign, node, o, s, at)
			if f.Quiet, err = quiet(tx, f); err != nil {
				return nil, err
			}
			out[o.Server] = f
			opens = opens || !f.Quiet
		}
		if inMode || !opens {
			break
		}
		inMode = true
	}
	if !inMode {
		return out, nil
	}
	return out, missing(tx, node, inventory, out, at)
}

// quiet tells whether a finding is about one server and says nothing of the store's age: the epoch is one that the store gave, to a
// node that was revoked since. Its machine was enrolled anew and kept what it had.
func quiet(tx store.Tx, f Finding) (bool, error) {
	if f.Sign != SignAhead || f.Agent.Epoch != f.StoreEpoch || f.StoreNode == "" || f.StoreNode == f.Node {
		return false, nil
	}
	n, err := Nodes.Get(tx, f.StoreNode)
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	return n.Revoked, err
}

// missing adds the servers whose world should be on the node and is not.
func missing(tx store.Tx, node string, inventory []protocol.Observed, out map[string]Finding, at time.Time) error {
	named := map[string]bool{}
	for _, o := range inventory {
		named[o.Server] = true
	}
	for s, err := range Servers.Match(tx, "node", node, "", 0, false) {
		if err != nil {
			return err
		}
		if !named[s.ID] && absent(s) {
			out[s.ID] = finding(SignMissing, node, protocol.Observed{Server: s.ID, State: protocol.StateAbsent}, &s, at)
		}
	}
	return nil
}

func finding(sign Sign, node string, o protocol.Observed, s *Server, at time.Time) Finding {
	tidy(&o)
	f := Finding{ID: node + "/" + o.Server, Sign: sign, Node: node, Server: o.Server, Agent: o, Since: at.UTC(), Seen: at.UTC()}
	if s != nil {
		f.Name, f.StoreNode, f.StoreEpoch, f.StoreDesired = s.Name, s.Node, s.Epoch, s.Desired
	}
	return f
}

// note writes the findings of one node as its inventory shows them: new ones with an event, known ones anew; undecided ones whose
// cause is gone go with it. What is new may open the mode; see accuse.
func note(tx store.Tx, log Events, node string, found map[string]Finding, at time.Time) error {
	r, err := RecoveryOf(tx, node)
	if err != nil {
		return err
	}
	known := map[string]Finding{}
	for f, err := range Findings.Match(tx, "node", node, "", 0, false) {
		if err != nil {
			return err
		}
		if f.Server != "" {
			known[f.Server] = f
		}
	}
	var change int64
	for id, f := range known {
		_, still := found[id]
		// Out of the mode an inventory does not look for these: one that was left undecided stays so.
		left := !r.Open && (f.Sign == SignMissing || f.Sign == SignDiffers)
		if still || left || !f.Undecided() {
			continue
		}
		if err := Findings.Delete(tx, f.ID); err != nil {
			return err
		}
		change--
	}
	ids := slices.Sorted(maps.Keys(found))
	ids = ids[:min(len(ids), maxFindings)]
	for _, id := range ids {
		// What an operator left undecided opens nothing anew.
		if f := found[id]; !f.Quiet && (known[id].ID == "" || claimsMore(f, known[id])) {
			if _, err := accuse(tx, log, f.Sign, node, time.Time{}, at); err != nil {
				return err
			}
			break
		}
	}
	for _, id := range ids {
		by, err := noteOne(tx, log, found[id], known[id], at)
		if err != nil {
			return err
		}
		change += by
	}
	return count(tx, change)
}

// noteOne writes one finding; was is what was known of it, zero for nothing. It gives the change of what waits for a choice.
func noteOne(tx store.Tx, log Events, f, was Finding, at time.Time) (change int64, err error) {
	if was.ID != "" && !was.Undecided() && !claimsMore(f, was) {
		return 0, nil // decided: the same claim again is the node that has not been told yet
	}
	if was.ID != "" && was.Undecided() {
		f.Since, f.Facts, f.Detail = was.Since, was.Facts, was.Detail
		if f.Agent.Epoch != was.Agent.Epoch {
			f.Detail = nil
		}
	}
	if f.Name == "" && f.Detail != nil {
		f.Name = f.Detail.Spec.Name
	}
	if n, err := Nodes.Get(tx, f.Node); err == nil {
		f.NodeName = n.Name
	}
	change = waits(f) - waits(was)
	if err := Findings.Put(tx, f); err != nil || was.ID != "" && was.Undecided() && was.Sign == f.Sign {
		return change, err
	}
	// It is the node's event, not the server's: the server may be another's, and the node may lie.
	kind := "node." + string(f.Sign)
	if f.Sign == SignUnknown || f.Sign == SignMissing {
		kind += "_server"
	}
	_, err = log.Append(tx, event.Event{Type: kind, At: at, Node: f.Node, Actor: "agent:" + f.Node, Data: event.JSON(map[string]any{
		"server": f.Server, "server_name": f.Name, "epoch": f.Agent.Epoch, "state": f.Agent.State, "store_epoch": f.StoreEpoch, "store_node": f.StoreNode, "store_desired": f.StoreDesired,
	})})
	return change, err
}

// claimsMore tells whether a finding says something that the decided one did not.
func claimsMore(f, decided Finding) bool {
	return f.Agent.Epoch > decided.Agent.Epoch || f.Sign != decided.Sign && f.Sign != SignDiffers
}

// Notice keeps the findings of a node up to date by its reports: what it sees of a server that is undecided, and how many reports of
// it were not taken. taken says that the report is not for Observe. A report alone opens no mode: what a node has it says at hello,
// and a word about a server of another node is a lie more likely than a sign.
func Notice(tx store.Tx, node string, r protocol.Report, now time.Time) (taken bool, err error) {
	var server string
	switch {
	case r.Fact.Observed != nil:
		server = r.Fact.Observed.Server
	case r.Fact.Player != nil:
		server = r.Fact.Player.Server
	case r.Fact.Removed != nil:
		server = r.Fact.Removed.Server
	}
	rec, err := ReadRecovery(tx)
	if err != nil || rec.Undecided == 0 || store.CheckKey(server) != nil {
		return false, err
	}
	f, err := Findings.Get(tx, node+"/"+server)
	if fault.KindOf(err) == fault.NotFound || err == nil && (!f.Undecided() || f.Sign == SignDiffers || f.Sign == SignMissing) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f.Facts++
	if o := r.Fact.Observed; o != nil && o.Epoch == f.Agent.Epoch {
		f.Agent = *o
		tidy(&f.Agent)
		f.Seen = now.UTC()
	}
	return true, Findings.Put(tx, f)
}

// DropFindings deletes what waits for a choice because of a node that does not count any more: it was revoked.
func DropFindings(tx store.Tx, node string) error {
	var ids []string
	for f, err := range Findings.Match(tx, "node", node, "", 0, false) {
		if err != nil {
			return err
		}
		if !f.Undecided() {
			continue
		}
		ids = append(ids, f.ID)
		if err := rise(tx, f); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := Findings.Delete(tx, id); err != nil {
			return err
		}
	}
	return count(tx, -int64(len(ids)))
}

// rise sees to it that the epoch which a node that does not count any more has of a server is never given to another: its copy may still
// run. Where another node's claim waits for a choice too, the row is left to that choice: a floor is told, and would set that copy aside.
func rise(tx store.Tx, f Finding) error {
	if f.Sign != SignAhead {
		return nil
	}
	open, err := Open(tx, f.Server)
	if err != nil {
		return err
	}
	for _, o := range open {
		if o.Node != f.Node {
			return nil
		}
	}
	s, err := Servers.Get(tx, f.Server)
	if fault.KindOf(err) == fault.NotFound || err == nil && s.Floor > f.Agent.Epoch {
		return nil
	}
	if err != nil {
		return err
	}
	s.Floor = f.Agent.Epoch + 1
	return Servers.Put(tx, s)
}
