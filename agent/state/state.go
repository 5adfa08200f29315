// Package state is the agent's journal: what must survive the death of the agent's process and of its machine.
//
// One bbolt file, DATA/agent.db, holds the grants and specs of the servers (written and fsynced before anything starts), what was last
// observed of each, the reports the controller has not acknowledged, the highest term seen, the session generation and the bridges given
// to servers. Every value carries a CRC-32C, because bbolt does not check its data pages.
//
// Writes that arrive while another one is being synced share the next fsync.
package state

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Want is what the agent was last ordered to do with a server.
type Want string

// The wants.
const (
	WantRun  Want = "run"
	WantStop Want = "stop"
	WantKill Want = "kill"
	WantGone Want = "gone"
)

// StopOrder is a stop under way; it survives the agent, so that a stop is never half done.
type StopOrder struct {
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
	Grace   int       `json:"grace_seconds"`
	Restart bool      `json:"restart"`
	Asked   bool      `json:"asked"`           // commands were already given to the game
	Term    bool      `json:"term"`            // SIGTERM was already sent
	Kill    bool      `json:"kill"`            // SIGKILL was already sent
	Failed  string    `json:"failed"`          // the agent itself stops the server, because of this
	Code    string    `json:"code,omitempty"`  // kind of Failed
	Next    string    `json:"next,omitempty"`  // next step of Failed
	Stale   bool      `json:"stale,omitempty"` // the epoch is no longer ours
}

// Order says which order of a server's one is: of two the one with the higher epoch is newer, and at the same epoch the one with the
// higher number. The zero value is older than any.
type Order struct {
	Epoch  int64 `json:"epoch"`
	Number int64 `json:"number"`
}

// Before tells whether o is older than p.
func (o Order) Before(p Order) bool {
	return o.Epoch < p.Epoch || o.Epoch == p.Epoch && o.Number < p.Number
}

// Server is the row of one server.
type Server struct {
	Spec     protocol.Spec         `json:"spec"`
	Grant    protocol.Grant        `json:"grant"`
	Fresh    bool                  `json:"fresh"` // the volume may still be made under this grant
	Want     Want                  `json:"want"`
	GaveUp   bool                  `json:"gave_up"` // waits for a new order
	Ends     []time.Time           `json:"ends"`    // unasked ends within the restart window
	Attempt  int64                 `json:"attempt"` // counts starts, for the container's name
	Closed   int64                 `json:"closed"`  // the newest attempt whose end has been noted
	Stop     *StopOrder            `json:"stop,omitempty"`
	Volume   protocol.VolumeOnGone `json:"volume,omitempty"` // for WantGone
	Order    Order                 `json:"order,omitzero"`   // the newest that was taken
	Observed protocol.Observed     `json:"observed"`
}

// ID gives the server's id.
func (s Server) ID() string { return s.Spec.Server }

// Options say where the journal is and what it may hold.
type Options struct {
	Dir        string       // DATA
	Boot       string       // boot id of the machine
	BridgePool netip.Prefix // bridges of servers are cut from it, a /29 each
	MaxReports int          // beyond so many unacknowledged reports only facts are kept, no progress; 0 = 100,000
	MaxBytes   int64        // beyond so many bytes of them the oldest go, and the controller is told; 0 = 64 MiB
	Logger     *slog.Logger
	Metrics    prometheus.Registerer
}

func (o *Options) validate() error {
	if o.Dir == "" || o.Boot == "" {
		return errors.New("state: Dir and Boot are needed")
	}
	if !o.BridgePool.IsValid() || !o.BridgePool.Addr().Is4() || o.BridgePool.Bits() > bridgeBits {
		return protocol.Faultf(protocol.Invalid, "give an IPv4 network of /29 or wider, like 10.213.0.0/16", "bridge pool %q cannot hold a bridge", o.BridgePool)
	}
	if o.MaxReports <= 0 {
		o.MaxReports = 100_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	return nil
}

// Journal is the open file. All methods may be called from any goroutine.
type Journal struct {
	db      *bolt.DB
	log     *slog.Logger
	boot    string
	run     string
	pool    netip.Prefix
	max     int
	path    string
	reserve string

	writes chan *write
	closed chan struct{}
	done   chan struct{}
	once   sync.Once

	mu       sync.Mutex // held by the writer for a whole transaction and by Next
	first    int64      // oldest report kept; next when there is none
	next     int64      // Seq of the next report
	handed   int64      // newest Seq that may have left this machine
	bytes    int64      // of the reports kept
	maxBytes int64
	dropped  int64 // newest report that was among the lost, by any process
	lost     int64 // reports that went because there were too many, by this process
	reserved bool  // the reserved disk space is set aside
	tried    time.Time
	progress map[string]int64
	wake     chan struct{}

	syncs   prometheus.Counter
	written prometheus.Counter
}

// FileName is the journal's name under DATA.
const FileName = "agent.db"

// Open opens the journal or makes it. A file that is damaged or in use is a Fault that says what to do.
func Open(o Options) (*Journal, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, FileName)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, protocol.Faultf(protocol.Unavailable, "make the directory writable for the agent", "cannot make the data directory %s: %v", o.Dir, err)
	}
	if err := failpoint.Hit("state.open.before"); err != nil {
		return nil, err
	}
	db, err := openFile(path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(durable.SyncDir(o.Dir), failpoint.Hit("state.open.after")); err != nil { // the name of a new file
		return nil, errors.Join(err, db.Close())
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	j := &Journal{db: db, log: o.Logger, boot: o.Boot, run: hex.EncodeToString(id), pool: o.BridgePool.Masked(), max: o.MaxReports, maxBytes: o.MaxBytes, path: path,
		reserve: filepath.Join(o.Dir, reserveName), writes: make(chan *write, 1024), closed: make(chan struct{}), done: make(chan struct{}),
		progress: map[string]int64{}, wake: make(chan struct{}, 1)}
	if err := safely(j.load); err != nil {
		_ = db.Close()
		return nil, damaged(path, err)
	}
	if err := j.compact(path, compactAbove); err != nil {
		return nil, errors.Join(err, j.db.Close())
	}
	j.keepReserve()
	j.measure(o.Metrics)
	go j.writer()
	return j, nil
}

// Close ends the journal after the writes under way.
func (j *Journal) Close() error {
	j.once.Do(func() { close(j.closed) })
	<-j.done
	return j.db.Close()
}

// Boot gives the boot id of the machine.
func (j *Journal) Boot() string { return j.boot }

// Run gives the id of this agent process.
func (j *Journal) Run() string { return j.run }

// openFile turns bbolt's errors, and its panics on torn files, into faults.
func openFile(path string) (db *bolt.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, damaged(path, fmt.Errorf("%v", r))
		}
	}()
	var opened *os.File
	db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			f, err = os.OpenFile(name, flag, mode)
			opened = f
			return f, err
		}})
	switch {
	case err == nil && !durable.IsAt(opened, path): // another agent compacted it while this one waited for the lock
		_ = db.Close()
		return nil, protocol.Faultf(protocol.Conflict, "stop the other agent or give this one its own --data", "another agent runs on %s", filepath.Dir(path))
	case err == nil:
		return db, nil
	case errors.Is(err, bolt.ErrTimeout): //nolint:staticcheck // the alias is the documented name
		return nil, protocol.Faultf(protocol.Conflict, "stop the other agent or give this one its own --data", "another agent runs on %s", filepath.Dir(path))
	case errors.Is(err, os.ErrPermission):
		return nil, protocol.Faultf(protocol.Unavailable, "run the agent as the owner of the directory", "cannot open %s: %v", path, err)
	default:
		return nil, damaged(path, err)
	}
}

// safely turns bbolt's panics on torn pages into errors.
func safely(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return fn()
}

func damaged(path string, why error) error {
	return protocol.Faultf(protocol.Internal,
		"move "+path+" aside and start the agent again: running servers are found by their labels, reports that were not sent are lost",
		"the agent's journal %s is damaged: %v", path, why)
}

func (j *Journal) measure(r prometheus.Registerer) {
	j.syncs = prometheus.NewCounter(prometheus.CounterOpts{Name: "payperplay_agent_journal_syncs_total", Help: "Transactions that were synced to disk."})
	j.written = prometheus.NewCounter(prometheus.CounterOpts{Name: "payperplay_agent_journal_writes_total", Help: "Writes that shared those transactions."})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "payperplay_agent_reports_waiting", Help: "Reports the controller has not acknowledged."},
		func() float64 { return float64(j.Waiting()) })
	locked := func(name, help string, of func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			j.mu.Lock()
			defer j.mu.Unlock()
			return float64(of())
		})
	}
	file := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "payperplay_agent_journal_bytes", Help: "Size of the journal's file."},
		func() float64 { return float64(size(j.path)) })
	r.MustRegister(j.syncs, j.written, waiting, file,
		locked("payperplay_agent_reports_waiting_bytes", "Bytes of the reports the controller has not acknowledged.", func() int64 { return j.bytes }),
		locked("payperplay_agent_reports_lost", "Reports this process has dropped because too many waited.", func() int64 { return j.lost }))
}

// retry runs fn again once after giving the reserved disk space back, when the disk was full.
func (j *Journal) retry(fn func() error) error {
	err := fn()
	if err == nil || !j.freeReserve(err) {
		return err
	}
	return fn()
}
