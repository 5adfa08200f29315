package host

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/protocol"
)

// Sample gives the newest figures; they are at most one interval old and cost nothing.
func (h *Host) Sample(context.Context, protocol.SampleRequest) (protocol.Sample, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sample
	s.Servers = append([]protocol.ServerSample{}, s.Servers...)
	return s, nil
}

// take makes a new sample. Only the sampler's goroutine calls it.
func (h *Host) take(now time.Time) {
	s := protocol.Sample{At: now.UTC(), Host: h.meter.host(h.o.Data)}
	if most := h.o.Facts.MemoryBytes; most > 0 && most < s.Host.MemoryTotal {
		s.Host.MemoryTotal = most
	}
	h.meter.scans = mostScans
	live := h.o.Servers()
	for _, l := range live {
		s.Servers = append(s.Servers, h.meter.server(l, now))
	}
	h.meter.forget(live)
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range s.Servers {
		s.Servers[i].DiskBytes = h.disk[s.Servers[i].Server]
	}
	h.sample = s
}

// meter reads the kernel's files and remembers what differences need.
type meter struct {
	cgroups mounts
	busy    int64 // of the machine, in ticks
	all     int64
	seen    map[string]reading
	scans   int // scans of connection tables that this sample may still make
	buf     []byte
}

type reading struct {
	pid     int
	paths   paths
	cpu     int64 // ns
	at      time.Time
	conns   int       // established to the game port, when the table was last read
	counted time.Time // when that was
	inuse   [2]int64  // TCP sockets of the network namespace then, IPv4 and IPv6
	moved   bool      // they are not the same any more
}

func newMeter() meter {
	return meter{cgroups: findMounts("/proc/self/mountinfo"), seen: map[string]reading{}, buf: make([]byte, 64<<10)}
}

func (m *meter) host(data string) protocol.HostSample {
	var s protocol.HostSample
	busy, all := m.cpu()
	if d := all - m.all; d > 0 && m.all > 0 {
		s.CPUBusy = float64(busy-m.busy) / float64(d)
	}
	m.busy, m.all = busy, all
	mem := memory()
	s.MemoryTotal, s.MemoryUsed = mem["MemTotal"], mem["MemTotal"]-mem["MemAvailable"]
	var fs unix.Statfs_t
	if unix.Statfs(data, &fs) == nil {
		s.DiskTotal, s.DiskUsed = int64(fs.Blocks)*fs.Bsize, int64(fs.Blocks-fs.Bavail)*fs.Bsize
		s.InodesFree = int64(fs.Ffree)
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		s.Load1, s.UptimeSeconds = float64(info.Loads[0])/65536, info.Uptime
	}
	return s
}

// cpu reads the first line of /proc/stat: user nice system idle iowait irq softirq steal.
func (m *meter) cpu() (busy, all int64) {
	line, _, _ := strings.Cut(m.read("/proc/stat"), "\n")
	f := strings.Fields(line)
	for i := 1; i < len(f) && i <= 8; i++ {
		n := number(f[i])
		all += n
		if i != 4 && i != 5 {
			busy += n
		}
	}
	return busy, all
}

func (m *meter) server(l Live, now time.Time) protocol.ServerSample {
	s := protocol.ServerSample{Server: l.Server, Epoch: l.Epoch, State: l.State, MemoryLimit: l.MemoryLimit, Started: l.Started,
		Players: l.Players, PlayersMax: l.PlayersMax, PlayerNames: l.PlayerNames, TPS: l.TPS, Connections: -1}
	old := m.seen[l.Server]
	next := reading{pid: l.PID, paths: old.paths, at: now}
	if old.pid != l.PID {
		next.paths = m.cgroups.paths(m.read(proc(l.PID, "cgroup")))
	}
	s.MemoryBytes = m.memory(next.paths)
	next.cpu = m.cpuTime(next.paths)
	s.CPUNanos = next.cpu
	if dt := now.Sub(old.at); old.pid == l.PID && dt > 0 && next.cpu >= old.cpu {
		s.CPUCores = float64(next.cpu-old.cpu) / float64(dt)
	}
	s.NetRx, s.NetTx = traffic(m.read(proc(l.PID, "net/dev")))
	m.count(&next, old, l)
	s.Connections = next.conns
	m.seen[l.Server] = next
	return s
}

// The kernel walks the whole machine's connection hash for each /proc/PID/net/tcp: 5 to 6 ms on a machine with 24 GB, whatever the
// container has. So the table is only read when the namespace's socket counters (30 µs) have moved, and a few at a time.
const (
	mostScans  = 4
	scanAgain  = 5 * time.Minute
	scanPause  = 15 * time.Second
	emptyAgain = 30 * time.Minute // where the table and the game agree that nobody is there
)

// count finds the connections to the game port, or knows that they have not changed.
func (m *meter) count(next *reading, old reading, l Live) {
	now := [2]int64{inuse(m.read(proc(l.PID, "net/sockstat")), "TCP: "), inuse(m.read(proc(l.PID, "net/sockstat6")), "TCP6: ")}
	next.inuse, next.conns, next.counted = now, -1, time.Time{}
	if old.pid == l.PID && !old.counted.IsZero() {
		next.inuse, next.conns, next.counted = old.inuse, old.conns, old.counted
		next.moved = now != old.inuse
		if !scanDue(*next, old.moved, l.Players) {
			return
		}
	}
	if m.scans == 0 {
		return
	}
	m.scans--
	tcp := m.read(proc(l.PID, "net/tcp"))
	if tcp == "" {
		next.conns, next.counted = -1, time.Time{}
		return
	}
	next.conns, next.counted, next.moved = established(tcp, l.GamePort)+established(m.read(proc(l.PID, "net/tcp6")), l.GamePort), next.at, false
	next.inuse = now
}

// scanDue tells whether a table must be read again. Counters that differ once are not believed: our own pings of the game come and go
// within a sample. before says that they differed in the sample before, too. Pure.
func scanDue(r reading, before bool, players int) bool {
	age := r.at.Sub(r.counted)
	again := scanAgain
	if r.conns == 0 && players == 0 {
		again = emptyAgain
	}
	return age >= again || r.moved && before && age >= scanPause
}

// forget drops servers that run no more.
func (m *meter) forget(live []Live) {
	if len(m.seen) == len(live) {
		return
	}
	keep := map[string]reading{}
	for _, l := range live {
		keep[l.Server] = m.seen[l.Server]
	}
	m.seen = keep
}
