// Package event is the durable log of what happened: facts, appended in the transaction of the change they tell of,
// numbered without gaps, and announced after the commit. Readers own a cursor and are idempotent; a slow one never
// holds up a writer, because it reads from the store at its own pace and is only woken, never sent to.
//
// A fact's time (At) may lie before the moment it was logged, never after it: an agent that was offline reports late.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/prometheus/client_golang/prometheus"
)

// Event is one fact.
type Event struct {
	Seq    int64           `json:"seq"`  // 1, 2, 3 … without gaps, in the order of commits; set by Append
	At     time.Time       `json:"at"`   // when it happened, UTC, microseconds; Append sets it when zero
	Type   string          `json:"type"` // family.what, e.g. "server.started"
	Server string          `json:"server,omitempty"`
	Node   string          `json:"node,omitempty"`
	Owner  string          `json:"owner,omitempty"`
	Actor  string          `json:"actor,omitempty"` // who caused it: a user, an agent, a loop of the controller
	Data   json.RawMessage `json:"data,omitempty"`  // an object that belongs to the type; at most MaxData bytes
	Trace  string          `json:"trace,omitempty"`
}

// MaxData is the largest Data in bytes.
const MaxData = 64 << 10

// Families are the first words that a type may have.
func Families() []string {
	return []string{"server", "player", "billing", "backup", "node", "scaling", "store"}
}

var typeForm = regexp.MustCompile(`^(server|player|billing|backup|node|scaling|store)(\.[a-z0-9]+(_[a-z0-9]+)*)+$`)

// ErrCursorGone means that events after the cursor have been trimmed (or never existed: an older store was restored).
// The reader takes the current state and Head in one View and follows from there.
var ErrCursorGone = fault.New(fault.Precondition, "the events after this cursor are gone", "read the current state and follow from its head")

// row is an Event as stored. Only the server is an index: each further one costs every writer about a tenth of a
// transaction (measured), and the other filters read at most budget rows a page.
//
// Logged never falls from one row to the next and is never before At, so that a search by time can begin at the right row.
type row struct {
	Event
	Logged time.Time `json:"logged"`
}

var events = store.Table[row]{
	Name:  "events",
	Key:   func(r row) string { return store.SeqKey(r.Seq) },
	Grows: true,
	Indexes: []store.Index[row]{
		store.String("server", func(r row) string { return r.Server }).When(func(r row) bool { return r.Server != "" }),
	},
}

// Tables are the tables of this room.
func Tables() []store.TableDef { return []store.TableDef{events.Def(), cursors.Def()} }

// Options of a Log.
type Options struct {
	DB store.DB
	// Retention is how long events are kept, as far as no holding cursor needs them longer; 0 means 90 days.
	Retention time.Duration
	// MaxEvents bounds their number likewise; 0 means 1 million (a store of about 500 MiB, which opens in about 2 s).
	MaxEvents int64
	// Poll is how often a follower looks without having been woken; 0 means 10 s.
	Poll    time.Duration
	Now     func() time.Time      // nil: time.Now; what events are logged at
	Logger  *slog.Logger          // nil: silent
	Metrics prometheus.Registerer // nil: none
}

// Log is the event log. It is safe for use by many goroutines.
type Log struct {
	db        store.DB
	retention time.Duration
	maxEvents int64
	poll      time.Duration
	now       func() time.Time
	log       *slog.Logger
	m         *metrics
	bell      bell
	logged    atomic.Int64 // the latest row.Logged, in microseconds; 0 before the first Append
	began     atomic.Int64 // the newest number before this process logged anything; set with logged
	numbers   numbering
}

// New makes the log over tables that DB was opened with.
func New(opts Options) (*Log, error) {
	if opts.DB == nil {
		return nil, errors.New("event: Options.DB is nil")
	}
	if opts.Retention < 0 || opts.MaxEvents < 0 || opts.Poll < 0 {
		return nil, errors.New("event: Retention, MaxEvents and Poll must not be negative")
	}
	l := &Log{db: opts.DB, retention: opts.Retention, maxEvents: opts.MaxEvents, poll: opts.Poll, now: opts.Now, log: opts.Logger}
	if l.retention == 0 {
		l.retention = 90 * 24 * time.Hour
	}
	if l.maxEvents == 0 {
		l.maxEvents = 1_000_000
	}
	if l.poll == 0 {
		l.poll = 10 * time.Second
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.bell.ring = make(chan struct{})
	return l, l.register(opts.Metrics)
}

// JSON makes an event's Data from a struct or map. A value that cannot be JSON is an error of the program: it panics.
func JSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("event: data of type %T is not JSON: %v", v, err))
	}
	return b
}
