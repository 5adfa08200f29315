package client

import (
	"context"
	"net/http"
	"time"
)

// RecoveryBrief says that the controller is in recovery mode.
type RecoveryBrief struct {
	Reason    string    `json:"reason"`  // restored, reports, term, node, ahead, unknown, missing, differs
	Explain   string    `json:"explain"` // one sentence
	Next      string    `json:"next"`
	Since     time.Time `json:"since"`
	Undecided int64     `json:"undecided"`
}

// Recovery is what contradicts a store that was restored from a backup, for an operator to decide.
type Recovery struct {
	Open      bool              `json:"open"`
	Reason    string            `json:"reason,omitempty"`
	Explain   string            `json:"explain"`
	Next      string            `json:"next,omitempty"`
	Since     *time.Time        `json:"since,omitempty"`
	Ended     *time.Time        `json:"ended,omitempty"`
	EndedBy   string            `json:"ended_by,omitempty"`
	Term      int64             `json:"term"`
	Undecided int64             `json:"undecided"`
	Waiting   []string          `json:"waiting"` // names of nodes that have not said what they have since it began
	Findings  []RecoveryFinding `json:"findings"`
}

// RecoveryFinding is one contradiction.
type RecoveryFinding struct {
	ID       string           `json:"id"`
	Sign     string           `json:"sign"` // ahead, unknown, missing, differs, node, term, reports
	Explain  string           `json:"explain"`
	Node     string           `json:"node"` // name
	NodeID   string           `json:"node_id"`
	Server   string           `json:"server,omitempty"` // name, or id where only that is known
	ServerID string           `json:"server_id,omitempty"`
	Store    *RecoveryClaim   `json:"store,omitempty"` // what the store says; absent: it does not know the server
	Agent    *RecoveryClaim   `json:"agent,omitempty"` // what the node says; absent: it does not have the server
	Address  string           `json:"address,omitempty"`
	Key      string           `json:"key,omitempty"`    // of an unknown node: hash of the key it proved
	Term     int64            `json:"term,omitempty"`   // the highest the node has followed
	Lost     int64            `json:"lost,omitempty"`   // reports that the store will never see
	Proven   bool             `json:"proven,omitempty"` // a controller has vouched for it; false: it is the node's word
	Choices  []RecoveryChoice `json:"choices"`          // empty when there is nothing (more) to choose
	Choice   string           `json:"choice,omitempty"`
	By       string           `json:"by,omitempty"`
	Since    time.Time        `json:"since"`
}

// RecoveryClaim is what one side says of a server.
type RecoveryClaim struct {
	Node    string     `json:"node,omitempty"`
	Epoch   int64      `json:"epoch"`
	Desired string     `json:"desired,omitempty"` // the store's
	State   string     `json:"state,omitempty"`   // the node's
	Since   *time.Time `json:"since,omitempty"`   // the game runs since
}

// RecoveryChoice is what can be decided, and what follows.
type RecoveryChoice struct {
	Verb   string `json:"verb"` // adopt, keep, forget, lead
	Effect string `json:"effect"`
}

// EndRecovery ends the mode; with Leave also while something is undecided, which then stays frozen.
type EndRecovery struct {
	Leave bool `json:"leave,omitempty"`
}

// Adopted is the result of adopting everything that can be.
type Adopted struct {
	Servers  []string  `json:"servers"`  // names
	Problems []Problem `json:"problems"` // of those that could not be
	Recovery Recovery  `json:"recovery"`
}

// Recovery tells whether the store is older than the agents, and what contradicts it.
func (c *Client) Recovery(ctx context.Context) (Recovery, error) {
	var r Recovery
	return r, c.do(ctx, call{method: http.MethodGet, path: "/api/recovery"}, &r)
}

// LeadRecovery raises the term above the highest the agents have seen.
func (c *Client) LeadRecovery(ctx context.Context) (Recovery, error) {
	var r Recovery
	return r, c.do(ctx, call{method: http.MethodPost, path: "/api/recovery/lead", body: struct{}{}}, &r)
}

// EndRecovery ends the recovery mode; with leave also while something is undecided.
func (c *Client) EndRecovery(ctx context.Context, leave bool) (Recovery, error) {
	var r Recovery
	return r, c.do(ctx, call{method: http.MethodPost, path: "/api/recovery/end", body: EndRecovery{Leave: leave}}, &r)
}

// AdoptAll takes the agents' word for every server it can be taken for.
func (c *Client) AdoptAll(ctx context.Context) (Adopted, error) {
	var r Adopted
	return r, c.do(ctx, call{method: http.MethodPost, path: "/api/recovery/adopt", body: struct{}{}}, &r)
}

// Decide does one of adopt, keep, forget (noun "servers") or adopt, keep, forget ("nodes").
func (c *Client) Decide(ctx context.Context, noun, name, verb string) (Recovery, error) {
	var r Recovery
	return r, c.do(ctx, call{method: http.MethodPost, path: "/api/recovery/" + noun + "/" + segment(name) + "/" + verb, body: struct{}{}}, &r)
}
