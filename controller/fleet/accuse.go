package fleet

import (
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// ByItself is who ends a mode that no operator has to end.
const ByItself = "lifecycle"

// accuse takes a node's word against the store, and tells whether the recovery mode is open then. A single node may lie, and the mode
// costs everybody; so it opens for what no node can make up alone: what a controller of ours has vouched for (vouched is when, zero for
// never) since an operator last ended the mode, what a second node says too, or the word of the only node there is. Else it is the node
// and the servers it names that wait, which is the caller's to write down.
func accuse(tx store.Tx, log Events, sign Sign, node string, vouched, at time.Time) (open bool, err error) {
	r, err := ReadRecovery(tx)
	if err != nil {
		return false, err
	}
	seen := r.Ended
	if r.EndedBy == ByItself {
		seen = time.Time{} // nobody has looked at anything
	}
	if !r.Open && !vouched.After(seen) {
		agreed, err := agreed(tx, r, node)
		if err != nil {
			return false, err
		}
		if !agreed {
			if r.Suspect == node {
				return false, nil
			}
			r.Suspect = node
			return false, recoveries.Put(tx, r)
		}
	}
	return true, enter(tx, log, sign, node, at)
}

// agreed tells whether another node contradicts the store too, or there is none that could.
func agreed(tx store.Tx, r Recovery, node string) (bool, error) {
	if r.Suspect != "" && r.Suspect != node {
		// A node that was revoked, or whose claims were decided, has none any more.
		for _, err := range Findings.Match(tx, "suspect", r.Suspect, "", 1, false) {
			return err == nil, err
		}
	}
	for n, err := range Nodes.Range(tx, "", nil, nil, 0, false) {
		if err != nil || !n.Revoked && n.ID != node {
			return false, err
		}
	}
	return true, nil
}

// RecoveryOf is the recovery as one node is to be treated: one that contradicts the store is told nothing that waits for a choice.
func RecoveryOf(tx store.Tx, node string) (Recovery, error) {
	r, err := ReadRecovery(tx)
	if err != nil {
		return r, err
	}
	return viewOf(tx, r, node)
}

// viewOf is the recovery as it is for one node: for one that contradicts the store, and is not believed alone, it is as if the mode were open.
func viewOf(tx store.Tx, r Recovery, node string) (Recovery, error) {
	if r.Open || r.Undecided == 0 {
		return r, nil
	}
	for f, err := range Findings.Match(tx, "suspect", node, "", 1, false) {
		if err != nil {
			return r, err
		}
		r.Open, r.Since = true, f.Since
	}
	return r, nil
}

func (f Finding) noted(at time.Time) Finding {
	f.Choice, f.ChosenBy, f.ChosenAt = Noted, "controller", at.UTC()
	return f
}

// NoticeLost notes that a node was told to forget reports that the store does not have: nothing can bring them back. vouched is when
// a controller vouched for having had them, zero for never: then it is only the node's word.
func NoticeLost(tx store.Tx, log Events, n Node, from, to int64, vouched, at time.Time) error {
	open, err := accuse(tx, log, SignReports, n.ID, vouched, at)
	if err != nil {
		return err
	}
	f := Finding{
		ID: ofNode(n.ID, SignReports), Sign: SignReports, Node: n.ID, NodeName: n.Name, From: from, To: to, Proven: !vouched.IsZero(),
		Since: at.UTC(), Seen: at.UTC(),
	}
	if open {
		f = f.noted(at)
	}
	return Save(tx, f)
}

// NoticeTerm notes that a node has followed a controller of a higher term than ours. vouched is when a controller vouched for one, zero
// for never. Kinds: invalid (no controller can have had it).
func NoticeTerm(tx store.Tx, log Events, n Node, term, ours int64, vouched, at time.Time) error {
	if term > ours+MaxLeap {
		return fault.New(fault.Invalid, "no controller can have had that term", "look at the node's journal, or revoke the node")
	}
	f := Finding{ID: ofNode(n.ID, SignTerm), Sign: SignTerm, Node: n.ID, NodeName: n.Name, Term: term, Proven: !vouched.IsZero(), Since: at.UTC(), Seen: at.UTC()}
	return noteNode(tx, log, f, vouched, at)
}

// NoticeNode notes that a node came with a certificate of ours and its own key, and that the store does not know it. Our CA vouches for
// that, and it counts once: what was written down of a node stays until the node is let in.
func NoticeNode(tx store.Tx, log Events, f Finding, at time.Time) error {
	f.ID, f.Sign, f.Proven, f.Since, f.Seen = ofNode(f.Node, SignNode), SignNode, true, at.UTC(), at.UTC()
	if n, err := Findings.Count(tx); err != nil || n > 10*maxFindings {
		return err
	}
	return noteNode(tx, log, f, at, at)
}

func noteNode(tx store.Tx, log Events, f Finding, vouched, at time.Time) error {
	was, err := Findings.Get(tx, f.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if err == nil && (f.Sign == SignNode || f.Term <= was.Term && (was.Proven || !f.Proven)) {
		return nil // known, or decided
	}
	if err := Save(tx, f); err != nil {
		return err
	}
	if _, err := accuse(tx, log, f.Sign, f.Node, vouched, at); err != nil || f.Sign != SignNode {
		return err // the tunnel tells of a higher term itself
	}
	_, err = log.Append(tx, event.Event{Type: "node.unknown", At: at, Node: f.Node, Actor: "agent:" + f.Node, Data: event.JSON(map[string]any{"name": f.NodeName, "address": f.Remote})})
	return err
}

// Save writes a finding and keeps Recovery.Undecided right.
func Save(tx store.Tx, f Finding) error {
	was, err := Findings.Get(tx, f.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if err := Findings.Put(tx, f); err != nil {
		return err
	}
	return count(tx, waits(f)-waits(was))
}

// waits is 1 for a finding that waits for a choice, 0 for one that does not, or is none.
func waits(f Finding) int64 {
	if f.ID != "" && f.Undecided() {
		return 1
	}
	return 0
}

// count changes Recovery.Undecided.
func count(tx store.Tx, by int64) error {
	if by == 0 {
		return nil
	}
	r, err := ReadRecovery(tx)
	if err != nil {
		return err
	}
	r.Undecided += by
	return recoveries.Put(tx, r)
}

// KeepNode decides that what a node claims of itself does not count: reports that it was told to forget, or a term it has followed.
// It tells whether there was such a claim. The store's word about its servers counts again; what it says of each stays to be decided.
func KeepNode(tx store.Tx, node, actor string, now time.Time) (bool, error) {
	claims, err := claims(tx, node)
	if err != nil {
		return false, err
	}
	for _, f := range claims {
		f.Choice, f.ChosenBy, f.ChosenAt = Kept, actor, now.UTC()
		if err := Save(tx, f); err != nil {
			return false, err
		}
	}
	return len(claims) > 0, nil
}

// claims gives what a node claims of itself and nobody has decided.
func claims(tx store.Tx, node string) (out []Finding, err error) {
	for _, sign := range []Sign{SignTerm, SignReports} {
		f, err := Findings.Get(tx, ofNode(node, sign))
		switch {
		case err == nil && f.Undecided():
			out = append(out, f)
		case err != nil && fault.KindOf(err) != fault.NotFound:
			return nil, err
		}
	}
	return out, nil
}

// ofNode is the id of a finding about a node itself.
func ofNode(node string, sign Sign) string { return node + "//" + string(sign) }
