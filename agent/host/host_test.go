package host

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

func TestCgroupPaths(t *testing.T) {
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	v1 := findMounts(write("36 25 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n37 25 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n38 25 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"))
	got := v1.paths("4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/docker/abc\n")
	if got.usage != "/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes" || got.cpu != "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpuacct.usage" || got.v2 {
		t.Errorf("%+v", got)
	}
	v2 := findMounts(write("30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"))
	got = v2.paths("0::/system.slice/docker-abc.scope\n")
	if got.usage != "/sys/fs/cgroup/system.slice/docker-abc.scope/memory.current" || !got.v2 {
		t.Errorf("%+v", got)
	}
}

func TestKernelFiles(t *testing.T) {
	tcp := "  sl  local_address rem_address   st\n" +
		"   0: 00000000:63DD 00000000:0000 0A 0 0\n" + // listens
		"   1: 020AD60A:63DD 010AD60A:D431 01 0 0\n" + // a player
		"   2: 020AD60A:63DD 010AD60A:D432 06 0 0\n" + // time wait
		"   3: 020AD60A:D431 010AD60A:63DD 01 0 0\n" // the game's own connection to another game
	if n := established(tcp, 25565); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	rx, tx := traffic("Inter-|   Receive\n face |bytes\n    lo: 100 1 0 0 0 0 0 0 100 1\n  eth0: 2500 1 0 0 0 0 0 0 700 1 0\n")
	if rx != 2500 || tx != 700 {
		t.Error(rx, tx)
	}
	if n := field("cache 4\ntotal_inactive_file 4096\n", "total_inactive_file "); n != 4096 {
		t.Error(n)
	}
}

func TestPoolOverlap(t *testing.T) {
	name := filepath.Join(t.TempDir(), "route")
	table := "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n" +
		"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n" + // 192.0.2.0/24
		"ens10\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\n" + // 10.0.0.0/16
		"pb123451234\t0800D50A\t00000000\t0001\t0\t0\t0\tF8FFFFFF\n" // 10.213.0.8/29, ours
	if err := os.WriteFile(name, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	routes, err := readRoutes(name)
	if err != nil || len(routes) != 3 || routes[2].to.String() != "10.213.0.8/29" {
		t.Fatal(routes, err)
	}
	for pool, ok := range map[string]bool{"10.213.0.0/16": true, "10.0.0.0/8": false, "10.0.5.0/24": false, "192.0.0.0/16": false, "172.20.0.0/16": true} {
		if err := overlaps(netip.MustParsePrefix(pool), "pb", routes); (err == nil) != ok {
			t.Errorf("%s: %v", pool, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		free, total, inodesFree, inodes int64
		want                            int
	}{{10 << 30, 100 << 30, 900, 1000, 0}, {500 << 20, 100 << 30, 900, 1000, 1}, {500 << 20, 100 << 30, 10, 1000, 2}, {20 << 20, 200 << 20, 0, 0, 0}, {5 << 20, 200 << 20, 0, 0, 1}} {
		if got := full(c.free, c.total, c.inodesFree, c.inodes); len(got) != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

type fakeEngine struct{ err error }

func (f fakeEngine) Ping(context.Context) error { return f.err }
func (f fakeEngine) Healthy() error             { return f.err }

func TestSampleAndCheckOfThisMachine(t *testing.T) {
	pid := os.Getpid()
	h, err := New(Options{Data: t.TempDir(), Engine: fakeEngine{}, Facts: protocol.NodeFacts{Name: "n", MemoryBytes: 1 << 30},
		Version:   func(context.Context) (string, []string, error) { return "1.2.3", []string{"old"}, nil },
		Servers:   func() []Live { return []Live{{Server: "srv_a", PID: pid, Players: -1, TPS: -1}} },
		DiskUsage: func(context.Context, string) (int64, error) { return 7, nil }})
	if err != nil {
		t.Fatal(err)
	}
	h.take(time.Now())
	s, _ := h.Sample(t.Context(), protocol.SampleRequest{})
	if s.Host.MemoryTotal != 1<<30 || s.Host.DiskTotal == 0 || s.Host.UptimeSeconds == 0 || len(s.Servers) != 1 || s.Servers[0].Players != -1 || s.Servers[0].Connections < 0 {
		t.Fatalf("%+v", s)
	}
	f := h.Facts()
	if f.Kernel == "" || f.OS == "" || f.Arch == "" || f.CPUs == 0 || f.MemoryBytes != 1<<30 || len(f.Addresses) == 0 {
		t.Fatalf("%+v", f)
	}
	if r, _ := h.Check(t.Context(), protocol.CheckRequest{}); !r.OK || r.Now.IsZero() {
		t.Fatalf("%+v", r)
	}
	h.o.Engine = fakeEngine{protocol.Faultf(protocol.Timeout, "look", "Docker is unresponsive")}
	if r, _ := h.Check(t.Context(), protocol.CheckRequest{}); r.OK || !strings.Contains(r.Problems[0], "unresponsive") {
		t.Fatalf("%+v", r)
	}
}

func TestScanDue(t *testing.T) {
	for name, c := range map[string]struct {
		age           time.Duration
		conns         int
		moved, before bool
		players       int
		want          bool
	}{
		"still":                    {age: time.Minute, conns: 1, players: 1},
		"moved once":               {age: time.Minute, moved: true},
		"moved and stays so":       {age: time.Minute, moved: true, before: true, want: true},
		"came back":                {age: time.Minute, before: true},
		"moved, looked just now":   {age: 10 * time.Second, moved: true, before: true},
		"old":                      {age: scanAgain, conns: 1, players: 1, want: true},
		"old, the game is silent":  {age: scanAgain, players: -1, want: true},
		"old, players not counted": {age: scanAgain, players: 2, want: true},
		"empty by both":            {age: scanAgain},
		"empty by both for long":   {age: emptyAgain, want: true},
		"empty by both, but moved": {age: time.Minute, moved: true, before: true, want: true},
	} {
		now := time.Now()
		if got := scanDue(reading{at: now, counted: now.Add(-c.age), conns: c.conns, moved: c.moved}, c.before, c.players); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestBootID(t *testing.T) {
	a, err := BootID("")
	if err != nil || len(a) < 30 {
		t.Fatal(a, err)
	}
	name := filepath.Join(t.TempDir(), "boot")
	if _, err := BootID(name); protocol.CodeOf(err) != protocol.Invalid {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("boot-7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := BootID(name); b != "boot-7" || err != nil {
		t.Fatal(b, err)
	}
}

// BenchmarkSample50: one sample of 50 servers; at one every 5 s, 25 ms are 0.5 % of a core (performance.md section 2).
func BenchmarkSample50(b *testing.B) {
	other := exec.Command("unshare", "-n", "sleep", "60") // a network namespace as small as a container's
	if err := other.Start(); err != nil {
		b.Skip("needs unshare: ", err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for own, _ := os.Readlink("/proc/self/ns/net"); ; { // until it is in its namespace
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", other.Process.Pid)); err == nil && its != own {
			break
		}
	}
	var live []Live
	for i := range 50 {
		live = append(live, Live{Server: string(rune('a' + i)), PID: other.Process.Pid, GamePort: 25565})
	}
	h, err := New(Options{Data: b.TempDir(), Engine: fakeEngine{}, Version: func(context.Context) (string, []string, error) { return "", nil, nil },
		Servers: func() []Live { return live }, DiskUsage: func(context.Context, string) (int64, error) { return 0, nil }})
	if err != nil {
		b.Fatal(err)
	}
	for range 50/mostScans + 1 {
		h.take(time.Now()) // the first looks into connection tables
	}
	for b.Loop() {
		h.take(time.Now())
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/5*100, "%core@5s")
}

// TestF08MachineID: what a maker left unfilled is no identity, and the firmware's UUID comes before a serial number.
func TestF08MachineID(t *testing.T) {
	for line, want := range map[string]bool{
		"": true, "0": true, "None": true, "Not Specified": true, "To Be Filled By O.E.M.": true, "Default string": true, "System Serial Number": true,
		"00000000-0000-0000-0000-000000000000": true, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF": true, "03000200-0400-0500-0006-000700080009": true, "0123456789": true, "123456789": true,
		"4c4c4544-0042-3510-8052-b4c04f4d3332": false, "CZJ1234567": false, "i-0abcd1234": false, "5f0e6f2b7f4e4c7e9b0a5c3d2e1f0a9b": false, "10": false,
	} {
		if got := placeholder(line); got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
	dir := t.TempDir()
	var files []string
	for i, text := range []string{"Default string\n", "  4c4c4544-0042  \nmore\n", "serial\n"} {
		files = append(files, filepath.Join(dir, strconv.Itoa(i)))
		if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := firstLine(append([]string{filepath.Join(dir, "none")}, files...)...); got != "4c4c4544-0042" {
		t.Errorf("the machine is %q", got)
	}
}
