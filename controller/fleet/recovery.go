package fleet

import (
	"fmt"
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

var (
	recoveries = store.Table[Recovery]{Name: "recovery", Key: func(r Recovery) string { return r.ID }}
	// Findings of the present recovery, or of the last one. A new one begins with none.
	Findings = store.Table[Finding]{
		Name: "recovery_findings",
		Key:  func(f Finding) string { return f.ID },
		Indexes: []store.Index[Finding]{
			store.String("node", func(f Finding) string { return f.Node }),
			store.String("server", func(f Finding) string { return f.Server }).When(func(f Finding) bool { return f.Server != "" }),
			store.Bool("undecided", Finding.Undecided).When(Finding.Undecided),
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
	if err := forgetDecided(tx); err != nil {
		return err
	}
	if s, ok := log.(skipper); ok {
		if err := s.Skip(tx); err != nil {
			return err
		}
	}
	r.Open, r.Reason, r.Since, r.Auto = true, sign, at.UTC(), sign == SignRestored
	r.Ended, r.EndedBy = time.Time{}, ""
	if err := recoveries.Put(tx, r); err != nil {
		return err
	}
	_, err = log.Append(tx, event.Event{Type: "node.recovery_opened", Node: node, Actor: "controller", Data: event.JSON(map[string]any{"reason": sign})})
	return err
}

// forgetDecided deletes the findings of the recovery before.
func forgetDecided(tx store.Tx) error {
	var old []string
	for f, err := range Findings.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return err
		}
		if !f.Undecided() {
			old = append(old, f.ID)
		}
	}
	for _, id := range old {
		if err := Findings.Delete(tx, id); err != nil {
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
	r.Open, r.Auto, r.Ended, r.EndedBy = false, false, now.UTC(), actor
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

// Gate says what may be done by itself, and by order, while the store is known or suspected to be older than the agents.
type Gate struct {
	Open      bool
	Since     time.Time
	Undecided map[string]Sign // by server
}

// ReadGate reads it; in normal times it costs one read.
func ReadGate(tx store.Tx) (Gate, error) {
	r, err := ReadRecovery(tx)
	g := Gate{Open: r.Open, Since: r.Since}
	if err != nil || r.Undecided == 0 {
		return g, err
	}
	g.Undecided = map[string]Sign{}
	for f, err := range Findings.Match(tx, "undecided", true, "", 0, false) {
		if err != nil {
			return g, err
		}
		if f.Server != "" {
			g.Undecided[f.Server] = f.Sign
		}
	}
	return g, nil
}

// Frozen tells whether nothing may be done for the server by the controller itself.
func (g Gate) Frozen(server string) bool { return g.Open || g.Undecided[server] != "" }

// Refuse is the answer to an order that has to wait until the recovery is over, nil if it need not. what is the order, as "started".
func (g Gate) Refuse(s Server, what string) error {
	if err := g.RefuseHalt(s, what); err != nil || !g.Open {
		return err
	}
	return fault.New(fault.Conflict, "nothing can be "+what+" in recovery mode: the store is older than what the nodes know",
		"see `controller recovery show`, decide, then `controller recovery end`")
}

// RefuseHalt is the answer to stop and kill, which only wait where it is not known which copy they are for.
func (g Gate) RefuseHalt(s Server, what string) error {
	sign := g.Undecided[s.ID]
	if s.ID == "" || sign == "" || sign == SignDiffers && (what == "stopped" || what == "killed") {
		return nil
	}
	return fault.New(fault.Conflict, fmt.Sprintf("server %s cannot be %s: the store was restored from a backup, and a node contradicts it about this server", s.Name, what),
		fmt.Sprintf("decide first: `controller recovery show`, then `controller recovery adopt %s` or `controller recovery keep %s`", s.Name, s.Name))
}
