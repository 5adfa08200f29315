package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func number(text string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n
}

func proc(pid int, file string) string { return "/proc/" + strconv.Itoa(pid) + "/" + file }

// read gives a small file of the kernel, without growing the heap; longer ones are cut at 64 KiB. Empty when it cannot be read.
func (m *meter) read(name string) string {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = unix.Close(fd) }()
	n := 0
	for n < len(m.buf) {
		k, err := unix.Read(fd, m.buf[n:])
		if err != nil || k == 0 {
			break
		}
		n += k
	}
	return string(m.buf[:n])
}

// mounts says where the cgroup controllers are mounted.
type mounts struct {
	memory, cpuacct, unified string
}

// findMounts reads /proc/self/mountinfo: "36 25 0:31 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory".
func findMounts(file string) mounts {
	var m mounts
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		head, tail, ok := strings.Cut(line, " - ")
		h, t := strings.Fields(head), strings.Fields(tail)
		if !ok || len(h) < 5 || len(t) < 3 {
			continue
		}
		switch t[0] {
		case "cgroup2":
			m.unified = h[4]
		case "cgroup":
			for option := range strings.SplitSeq(t[2], ",") {
				switch option {
				case "memory":
					m.memory = h[4]
				case "cpuacct":
					m.cpuacct = h[4]
				}
			}
		}
	}
	return m
}

// paths are the files of one container.
type paths struct {
	usage, stat string // memory
	cpu         string
	v2          bool
}

// paths reads /proc/PID/cgroup: "4:memory:/docker/abc" or "0::/system.slice/docker-abc.scope".
func (m mounts) paths(text string) paths {
	var p paths
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(f[1], ",") {
			switch {
			case controller == "memory" && m.memory != "":
				p.usage, p.stat = filepath.Join(m.memory, f[2], "memory.usage_in_bytes"), filepath.Join(m.memory, f[2], "memory.stat")
			case controller == "cpuacct" && m.cpuacct != "":
				p.cpu = filepath.Join(m.cpuacct, f[2], "cpuacct.usage")
			}
		}
		if f[0] == "0" && m.unified != "" && p.usage == "" && m.memory == "" {
			dir := filepath.Join(m.unified, f[2])
			p = paths{usage: dir + "/memory.current", stat: dir + "/memory.stat", cpu: dir + "/cpu.stat", v2: true}
		}
	}
	return p
}

// memory is what the container uses without the page cache that can be dropped, as "docker stats" counts.
func (m *meter) memory(p paths) int64 {
	used := number(m.read(p.usage))
	name := "total_inactive_file "
	if p.v2 {
		name = "inactive_file "
	}
	if cache := field(m.read(p.stat), name); cache < used {
		used -= cache
	}
	return used
}

// cpuTime is in nanoseconds.
func (m *meter) cpuTime(p paths) int64 {
	if p.v2 {
		return field(m.read(p.cpu), "usage_usec ") * 1000
	}
	return number(m.read(p.cpu))
}

// field finds "name value" at the beginning of a line.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, name); ok {
			return number(v)
		}
	}
	return 0
}

// traffic sums received and sent bytes of /proc/PID/net/dev without the loopback.
func traffic(text string) (rx, tx int64) {
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || strings.TrimSpace(name) == "lo" || len(f) < 9 {
			continue
		}
		rx += number(f[0])
		tx += number(f[8])
	}
	return rx, tx
}

// established counts connections in state 01 to a local port, in the form of /proc/net/tcp and tcp6.
func established(text string, port int) int {
	want := ":" + strings.ToUpper(strconv.FormatInt(int64(port)|1<<16, 16)[1:])
	n := 0
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) > 3 && f[3] == "01" && strings.HasSuffix(f[1], want) {
			n++
		}
	}
	return n
}

// inuse reads "TCP: inuse 5 orphan 0 …" of /proc/PID/net/sockstat.
func inuse(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if f := strings.Fields(rest); len(f) > 1 && f[0] == "inuse" {
				return number(f[1])
			}
		}
	}
	return 0
}
