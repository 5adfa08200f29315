package fleet

import (
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Recovery is the one row that says whether the store is known to be older than the agents: somebody restored a backup. While it
// is open nothing is started, placed, deleted or set aside by the controller itself, until an operator has decided what is true.
type Recovery struct {
	ID     string    `json:"id"` // always recoveryID
	Open   bool      `json:"open"`
	Reason Sign      `json:"reason,omitempty"` // the first sign
	Since  time.Time `json:"since,omitzero"`
	// Auto: the store was restored and nobody has contradicted it yet. It ends by itself when every node was heard.
	Auto     bool      `json:"auto,omitempty"`
	Ended    time.Time `json:"ended,omitzero"`
	EndedBy  string    `json:"ended_by,omitempty"`
	Restores int64     `json:"restores"` // store.RestoreSequence after the last start
	// Undecided counts the findings that wait for a choice, so that asking whether there are any costs one read.
	Undecided int64 `json:"undecided"`
	// Suspect is the node that alone contradicts the store, and cannot prove it, since the last end; see accuse.
	Suspect string `json:"suspect,omitempty"`
}

const recoveryID = "recovery"

// Sign is what shows that the store is older than the agents. The first two are of the store alone, the rest are findings.
type Sign string

// The signs.
const (
	SignRestored Sign = "restored" // `controller store restore` was run
	SignReports  Sign = "reports"  // a node was told to forget reports that the store has never seen
	SignTerm     Sign = "term"     // a node has followed a controller of a higher term
	SignNode     Sign = "node"     // a node with a certificate of ours that the store does not know
	SignAhead    Sign = "ahead"    // a node has a server at an epoch that the store has not given
	SignUnknown  Sign = "unknown"  // a node has a server that the store does not know
	SignMissing  Sign = "missing"  // a node does not have a server whose world the store believes there
	SignDiffers  Sign = "differs"  // a node runs what the store wants stopped, or the other way round
)

// Choice of an operator about a finding.
type Choice string

// The choices. The zero value is none.
const (
	Adopted   Choice = "adopted"   // what the agent says is true
	Kept      Choice = "kept"      // what the store says is true
	Forgotten Choice = "forgotten" // the server's row was deleted, or the node stays outside
	Led       Choice = "led"       // the term was raised above the highest seen
	Noted     Choice = "noted"     // there was nothing to choose
)

// Finding is one contradiction between the store and an agent.
type Finding struct {
	ID       string `json:"id"` // node, or node/server, or node with the sign
	Sign     Sign   `json:"sign"`
	Node     string `json:"node"`
	NodeName string `json:"node_name,omitempty"`
	Server   string `json:"server,omitempty"`
	Name     string `json:"name,omitempty"` // of the server, as far as it is known

	StoreNode    string  `json:"store_node,omitempty"`  // what the store said when it was found
	StoreEpoch   int64   `json:"store_epoch,omitempty"` //
	StoreDesired Desired `json:"store_desired,omitempty"`

	Agent  protocol.Observed `json:"agent,omitzero"`   // what the node says of the server, as of Seen
	Detail *protocol.Detail  `json:"detail,omitempty"` // what the node has in its journal; nil: not told yet
	// Quiet: it freezes its server and opens no mode, see quiet.
	Quiet bool  `json:"quiet,omitempty"`
	Facts int64 `json:"facts,omitempty"` // reports of the server that were not taken meanwhile

	// Proven: a controller of ours has vouched for it. Only what is about a node itself can be.
	Proven bool `json:"proven,omitempty"`

	Term     int64  `json:"term,omitempty"` // SignTerm
	From     int64  `json:"from,omitempty"` // SignReports: the first lost report
	To       int64  `json:"to,omitempty"`   // and the last
	BoundKey []byte `json:"bound_key,omitempty"`
	Remote   string `json:"remote,omitempty"` // SignNode

	Since    time.Time `json:"since"`
	Seen     time.Time `json:"seen"`
	Choice   Choice    `json:"choice,omitempty"`
	ChosenBy string    `json:"chosen_by,omitempty"`
	ChosenAt time.Time `json:"chosen_at,omitzero"`
}

// Undecided tells whether the finding waits for an operator.
func (f Finding) Undecided() bool { return f.Choice == "" }

// accuses tells whether the finding stands against the store by itself: it counts where a second node is asked for.
func (f Finding) accuses() bool {
	return f.Undecided() && !f.Quiet && f.Sign != SignMissing && f.Sign != SignDiffers
}

var (
	recoveries = store.Table[Recovery]{Name: "recovery", Key: func(r Recovery) string { return r.ID }}
	// Findings of the present recovery, or of the last one. A new one begins with none.
	Findings = store.Table[Finding]{
		Name: "recovery_findings",
		Key:  func(f Finding) string { return f.ID },
		Indexes: []store.Index[Finding]{
			store.String("node", func(f Finding) string { return f.Node }),
			store.String("server", func(f Finding) string { return f.Server }).When(func(f Finding) bool { return f.Server != "" }),
			store.String("name", func(f Finding) string { return f.Name }).When(func(f Finding) bool { return f.Name != "" && store.CheckKey(f.Name) == nil }),
			store.Bool("undecided", Finding.Undecided).When(Finding.Undecided),
			store.String("suspect", func(f Finding) string { return f.Node }).When(Finding.accuses),
		},
	}
)

// ReadRecovery reads the row; there is always one.
func ReadRecovery(tx store.Tx) (Recovery, error) {
	r, err := recoveries.Get(tx, recoveryID)
	if fault.KindOf(err) == fault.NotFound {
		return Recovery{ID: recoveryID}, nil
	}
	return r, err
}

// skipper is an event log that can leave the numbers behind that were given in the lost time; *event.Log can.
type skipper interface{ Skip(tx store.Tx) error }

// enter opens the recovery mode, or takes the hope from one that would have ended by itself.
func enter(tx store.Tx, log Events, sign Sign, node string, at time.Time) error {
	r, err := ReadRecovery(tx)
	if err != nil || r.Open && (!r.Auto || sign == SignRestored) {
		return err
	}
	if r.Open {
		r.Auto, r.Reason = false, sign
		return recoveries.Put(tx, r)
	}
	if err := settleOld(tx, at); err != nil {
		return err
	}
	if s, ok := log.(skipper); ok {
		if err := s.Skip(tx); err != nil {
			return err
		}
	}
	if r, err = ReadRecovery(tx); err != nil { // settleOld has counted
		return err
	}
	r.Open, r.Reason, r.Since, r.Auto = true, sign, at.UTC(), sign == SignRestored
	r.Ended, r.EndedBy, r.Suspect = time.Time{}, "", ""
	if err := recoveries.Put(tx, r); err != nil {
		return err
	}
	_, err = log.Append(tx, event.Event{Type: "node.recovery_opened", Node: node, Actor: "controller", Data: event.JSON(map[string]any{"reason": sign})})
	return err
}

// settleOld deletes the findings of the recovery before that were decided, and notes the lost reports of nodes that were not believed
// alone: from now on everything is looked at. A node that is to stay outside stays there.
func settleOld(tx store.Tx, at time.Time) error {
	var old []string
	var lost []Finding
	for f, err := range Findings.Range(tx, "", nil, nil, 0, false) {
		switch {
		case err != nil:
			return err
		case f.Undecided() && f.Sign == SignReports:
			lost = append(lost, f.noted(at))
		case !f.Undecided() && (f.Sign != SignNode || f.Choice != Forgotten):
			old = append(old, f.ID)
		}
	}
	for _, id := range old {
		if err := Findings.Delete(tx, id); err != nil {
			return err
		}
	}
	for _, f := range lost {
		if err := Save(tx, f); err != nil {
			return err
		}
	}
	return nil
}

// Restored is called once when a controller starts: it opens the mode when a backup was put in the place of the store since the
// last start.
func Restored(tx store.Tx, log Events, at time.Time) error {
	n, err := tx.Next(store.RestoreSequence)
	if err != nil {
		return err
	}
	r, err := ReadRecovery(tx)
	if err != nil {
		return err
	}
	restored := n != r.Restores+1
	r.Restores = n
	if err := recoveries.Put(tx, r); err != nil || !restored {
		return err
	}
	return enter(tx, log, SignRestored, "", at)
}

// EndRecovery closes the mode. What is still undecided stays frozen, server by server, until somebody decides.
func EndRecovery(tx store.Tx, log Events, actor string, now time.Time) error {
	r, err := ReadRecovery(tx)
	if err != nil || !r.Open {
		return err
	}
	r.Open, r.Auto, r.Ended, r.EndedBy, r.Suspect = false, false, now.UTC(), actor, ""
	if err := recoveries.Put(tx, r); err != nil {
		return err
	}
	_, err = log.Append(tx, event.Event{Type: "node.recovery_ended", Actor: actor, Data: event.JSON(map[string]any{"reason": r.Reason, "undecided": r.Undecided})})
	return err
}

// Heard tells whether every node that may come has said what it has since the mode was opened, and names those that have not.
func (r Recovery) Heard(nodes map[string]Node) (silent []string) {
	for _, n := range nodes {
		if !n.Revoked && n.InventoryAt.Before(r.Since) {
			silent = append(silent, n.Name)
		}
	}
	return silent
}
