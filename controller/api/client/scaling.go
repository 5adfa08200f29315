package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Money travels as whole micro-euros (1,000,000 = 1 €), net of VAT, in fields named …_micro_eur.

// Machine is one machine that is rented, from its order until the cloud has confirmed its end.
type Machine struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	Type     string `json:"type"`
	Location string `json:"location"`
	Arch     string `json:"arch"`
	Phase    string `json:"phase"`          // ordering, booting, proving, serving, draining, deleting, gone
	Node     string `json:"node,omitempty"` // name
	Spare    bool   `json:"spare"`          // ready before it is needed
	IPv4     string `json:"ipv4,omitempty"`

	MemoryBytes     int64     `json:"memory_bytes"`
	CPUMillis       int64     `json:"cpu_millis"`
	DiskBytes       int64     `json:"disk_bytes"`
	HourlyMicroEUR  int64     `json:"hourly_micro_eur"`
	MonthlyMicroEUR int64     `json:"monthly_micro_eur"` // never more than this in a month; 0 = no such bound
	TodayMicroEUR   int64     `json:"today_micro_eur"`   // hours started since midnight UTC
	PaidUntil       time.Time `json:"paid_until,omitzero"`

	Servers int       `json:"servers"` // whose files are on it
	For     string    `json:"for"`     // why it was ordered
	By      string    `json:"by"`
	Explain string    `json:"explain"` // what it does now, in plain words
	Retry   string    `json:"retry,omitempty"`
	Problem *Problem  `json:"problem,omitempty"`
	Ordered time.Time `json:"ordered_at"`
	Created time.Time `json:"created_at,omitzero"` // by the cloud's clock: paid hours begin here
	JoinBy  time.Time `json:"join_by,omitzero"`
	Joined  time.Time `json:"joined_at,omitzero"`
	Serving time.Time `json:"serving_at,omitzero"`
	EmptyAt time.Time `json:"empty_at,omitzero"`
	DrainBy time.Time `json:"drain_by,omitzero"`
	Deleted time.Time `json:"deleted_at,omitzero"`
}

// Scaling is how the fleet grows and shrinks, now.
type Scaling struct {
	Available bool            `json:"available"` // a cloud is configured and answers
	Enabled   bool            `json:"enabled"`
	Explain   string          `json:"explain"`
	Next      string          `json:"next,omitempty"`
	Settings  ScalingSettings `json:"settings"`

	Machines          int             `json:"machines"` // that cost money now
	Spares            int             `json:"spares"`
	SparesWanted      int             `json:"spares_wanted"`
	Fill              float64         `json:"fill"` // memory booked of what can be booked, 0…1
	HourlyMicroEUR    int64           `json:"hourly_micro_eur"`
	TodayMicroEUR     int64           `json:"today_micro_eur"`      // spent since midnight UTC
	TodayMostMicroEUR int64           `json:"today_most_micro_eur"` // if everything runs on until midnight
	MonthMostMicroEUR int64           `json:"month_most_micro_eur"` // if everything runs on for 730 hours
	Waiting           []WaitingServer `json:"waiting"`
	Last              *ScalingEntry   `json:"last,omitempty"`
	CatalogueAt       time.Time       `json:"catalogue_at,omitzero"` // how old prices and stock are
}

// WaitingServer is a server that waits for room.
type WaitingServer struct {
	Server      string    `json:"server"`
	MemoryBytes int64     `json:"memory_bytes"`
	CPUMillis   int64     `json:"cpu_millis"`
	Since       time.Time `json:"since"`
	Why         string    `json:"why"`
}

// ScalingSettings are the operator's limits and wishes. Of a change, what is left out stays.
type ScalingSettings struct {
	MaxMachines     *int      `json:"max_machines,omitempty"`      // SCALING_MAX_CLOUD_NODES
	MaxDayMicroEUR  *int64    `json:"max_day_micro_eur,omitempty"` // hard cap of a day
	Up              *float64  `json:"up,omitempty"`                // fill from which one more is ordered
	Down            *float64  `json:"down,omitempty"`              // fill below which one is let go
	CooldownSeconds *int64    `json:"cooldown_seconds,omitempty"`  //
	ReleaseMinute   *int      `json:"release_minute,omitempty"`    // of the paid hour, at which an empty machine goes
	Types           *[]string `json:"types,omitempty"`             // allowed types, best first; empty = all
	Locations       *[]string `json:"locations,omitempty"`         // allowed locations, best first; empty = all
	Zone            *string   `json:"zone,omitempty"`              // IANA time zone of the spares' table
	Spares          *string   `json:"spares,omitempty"`            // machines kept ready by hour: "1; fri,sat 17-24 = 3"
}

// ScalingEntry is one decision, with what it was made from.
type ScalingEntry struct {
	ID         string            `json:"id,omitempty"`
	At         time.Time         `json:"at"`
	Actions    []ScalingAction   `json:"actions"`
	Considered []ScalingRejected `json:"considered"` // alternatives that were not taken, and why
	Reasons    []string          `json:"reasons"`
	Inputs     map[string]any    `json:"inputs"`
}

// ScalingAction is one thing that was decided.
type ScalingAction struct {
	Do       string `json:"do"` // order, release, keep, …
	Machine  string `json:"machine,omitempty"`
	Type     string `json:"type,omitempty"`
	Location string `json:"location,omitempty"`
	Why      string `json:"why"`
	MicroEUR int64  `json:"hourly_micro_eur,omitempty"`
	Result   string `json:"result,omitempty"` // of carrying it out; empty: not yet, or a plan only
}

// ScalingRejected is an alternative that was not taken.
type ScalingRejected struct {
	What     string `json:"what"`
	Why      string `json:"why"`
	MicroEUR int64  `json:"hourly_micro_eur,omitempty"`
}

// Why says where a server is or what keeps it from being anywhere.
type Why struct {
	Server  string        `json:"server"`
	State   string        `json:"state"`
	Node    string        `json:"node,omitempty"`
	Explain string        `json:"explain"`        // one sentence
	Next    string        `json:"next,omitempty"` //
	Placed  time.Time     `json:"placed_at,omitzero"`
	Reason  string        `json:"reason,omitempty"`  // of the placement, as it was noted then
	Nodes   []WhyNode     `json:"nodes"`             // each node, and whether it could take the server now
	Scaling *ScalingEntry `json:"scaling,omitempty"` // what would be done about it now
}

// WhyNode is one node, as a choice for a server sees it.
type WhyNode struct {
	Node string `json:"node"`
	Fits bool   `json:"fits"`
	Why  string `json:"why"`
}

// Garbage is what a collection found in the cloud and on the nodes.
type Garbage struct {
	At     time.Time      `json:"at"`
	Dry    bool           `json:"dry_run"`
	Things []GarbageThing `json:"things"`
}

// GarbageThing is one thing that no row knows.
type GarbageThing struct {
	Kind   string    `json:"kind"`
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Do     string    `json:"do"` // adopt, delete, leave
	Why    string    `json:"why"`
	Since  time.Time `json:"since,omitzero"`
	Result string    `json:"result,omitempty"` // done, or what went wrong; empty in a dry run
}

// Drain asks that a node is emptied.
type Drain struct {
	DeadlineSeconds int64 `json:"deadline_seconds,omitempty"` // 0 = none; it ends no game, it only says who is left
}

// Drained is how far that is.
type Drained struct {
	Node    string    `json:"node"`
	Done    bool      `json:"done"`
	Left    []string  `json:"left"`           // servers that are still there, at most 50
	More    int       `json:"more,omitempty"` // how many beside them
	By      time.Time `json:"by,omitzero"`
	Explain string    `json:"explain"`
}

// Machines lists the rented machines, those that are gone only when asked for.
func (c *Client) Machines(ctx context.Context, gone bool) ([]Machine, error) {
	q := url.Values{"limit": {"500"}}
	if gone {
		q.Set("gone", "true")
	}
	return list[Machine](ctx, c, "/api/machines", q)
}

// Machine gives one by name or id.
func (c *Client) Machine(ctx context.Context, name string) (Machine, error) {
	var m Machine
	return m, c.do(ctx, call{method: http.MethodGet, path: "/api/machines/" + segment(name)}, &m)
}

// Scaling tells how the fleet grows and shrinks.
func (c *Client) Scaling(ctx context.Context) (Scaling, error) {
	var s Scaling
	return s, c.do(ctx, call{method: http.MethodGet, path: "/api/scaling/status"}, &s)
}

// Scale turns scaling on or off: verb is enable or disable.
func (c *Client) Scale(ctx context.Context, verb string) (Scaling, error) {
	var s Scaling
	return s, c.do(ctx, call{method: http.MethodPost, path: "/api/scaling/" + verb, body: struct{}{}}, &s)
}

// SetScaling changes settings.
func (c *Client) SetScaling(ctx context.Context, set ScalingSettings) (Scaling, error) {
	var s Scaling
	return s, c.do(ctx, call{method: http.MethodPatch, path: "/api/scaling/settings", body: set}, &s)
}

// ScalingHistory gives the newest decisions, newest first.
func (c *Client) ScalingHistory(ctx context.Context, limit int) ([]ScalingEntry, error) {
	var p Page[ScalingEntry]
	err := c.do(ctx, call{method: http.MethodGet, path: "/api/scaling/history", query: url.Values{"limit": {strconv.Itoa(limit)}}}, &p)
	return p.Items, err
}

// ScalingPlan gives what would be decided now; nothing is done.
func (c *Client) ScalingPlan(ctx context.Context) (ScalingEntry, error) {
	var e ScalingEntry
	return e, c.do(ctx, call{method: http.MethodGet, path: "/api/scaling/plan"}, &e)
}

// Why tells why a server is where it is, or why it is nowhere.
func (c *Client) Why(ctx context.Context, name string) (Why, error) {
	var w Why
	return w, c.do(ctx, call{method: http.MethodGet, path: serverPath(name) + "/why"}, &w)
}

// CollectGarbage looks for what no row knows, and with dry false takes it away.
func (c *Client) CollectGarbage(ctx context.Context, dry bool) (Garbage, error) {
	var g Garbage
	q := url.Values{"dry_run": {strconv.FormatBool(dry)}}
	return g, c.do(ctx, call{method: http.MethodPost, path: "/api/cloud/garbage", query: q, body: struct{}{}}, &g)
}

// Drain empties a node; asked again it tells how far that is.
func (c *Client) Drain(ctx context.Context, node string, how Drain) (Drained, error) {
	var d Drained
	return d, c.do(ctx, call{method: http.MethodPost, path: "/api/nodes/" + segment(node) + "/drain", body: how}, &d)
}
