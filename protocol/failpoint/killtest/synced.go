package killtest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Synced runs the case's work under strace and fails the test when something is acknowledged while what it wrote is not synced: a file
// that was written since its last fsync, or a directory in which a name came or went since its last. That is what a power failure would
// take, and what no kill can show. scratch names files that are the test's own.
func Synced(t *testing.T, c Case, scratch ...string) {
	t.Helper()
	if dir := os.Getenv(envDir); dir != "" {
		child(t, c, dir)
	}
	strace, err := exec.LookPath("strace")
	if err != nil && os.Getenv("PPP_REQUIRE_STRACE") == "" {
		t.Skip("strace is not installed (apt-get install strace)")
	}
	dir := memory(t)
	log := filepath.Join(t.TempDir(), "calls")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-s", "200", "--seccomp-bpf", "-o", log,
		"-e", "trace=openat,mkdirat,write,pwrite64,ftruncate,fsync,fdatasync,renameat,renameat2,unlinkat,linkat",
		os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), envDir+"="+dir, "GORACE=atexit_sleep_ms=0")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }() // its buffer holds all that is said
	cmd.ExtraFiles = []*os.File{w}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace: %v\n%s", err, out)
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	watch := ledger{dir: dir, scratch: scratch, known: map[string]bool{}, dirty: map[string]string{}, open: map[string]string{}}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		watch.take(lines.Text())
	}
	for _, lie := range watch.lies {
		t.Error(lie)
	}
	if watch.acked == 0 || watch.syncs == 0 {
		t.Errorf("%d acknowledgements and %d syncs were seen: the test shows nothing", watch.acked, watch.syncs)
	}
}

// ledger knows what is not synced.
type ledger struct {
	dir          string
	scratch      []string
	known        map[string]bool   // names that are there
	dirty        map[string]string // path → what was done to it last
	open         map[string]string // thread → the sync it is in
	acked, syncs int
	lies         []string
}

var (
	begun   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (fsync|fdatasync) resumed>.*= 0$`)
	onFD    = regexp.MustCompile(`^(\d+)<([^>]*)>`)
	named   = regexp.MustCompile(`(?:AT_FDCWD|\d+)<([^>]*)>, "([^"]*)"`)
)

// take reads one line of strace.
func (l *ledger) take(line string) {
	if m := resumed.FindStringSubmatch(line); m != nil {
		l.synced(l.open[m[1]])
		return
	}
	m := begun.FindStringSubmatch(line)
	if m == nil {
		return
	}
	thread, call, args := m[1], m[2], m[3]
	fd := onFD.FindStringSubmatch(args)
	switch call {
	case "write", "pwrite64", "ftruncate":
		if fd == nil {
			return
		}
		if fd[1] == "3" && call == "write" && strings.HasPrefix(fd[2], "pipe:") {
			l.acknowledge(args)
			return
		}
		l.touch(fd[2], call)
	case "fsync", "fdatasync":
		if fd == nil {
			return
		}
		if strings.HasSuffix(line, "= 0") {
			l.synced(fd[2])
		}
		l.open[thread] = fd[2]
	default: // names that come and go
		if strings.Contains(args, "= -1 ") {
			return
		}
		var paths []string
		for _, n := range named.FindAllStringSubmatch(args, -1) {
			path := n[2]
			if !filepath.IsAbs(path) {
				path = filepath.Join(n[1], path)
			}
			paths = append(paths, path)
		}
		if strings.HasPrefix(call, "rename") && len(paths) == 2 {
			l.move(paths[0], paths[1])
		}
		for _, path := range paths {
			l.name(call, args, path)
		}
	}
}

// move takes what is not synced along to the new name.
func (l *ledger) move(from, to string) {
	delete(l.dirty, to)
	if what, dirty := l.dirty[from]; dirty {
		l.dirty[to] = what
		delete(l.dirty, from)
	}
}

func (l *ledger) name(call, args, path string) {
	if call == "openat" && (!strings.Contains(args, "O_CREAT") || l.known[path]) || slices.Contains(l.scratch, filepath.Base(path)) {
		return
	}
	if l.known[path] = call != "unlinkat"; call == "unlinkat" {
		delete(l.dirty, path)
	}
	l.touch(filepath.Dir(path), call+" "+filepath.Base(path))
}

func (l *ledger) touch(path, what string) {
	if strings.HasPrefix(filepath.Base(path), "#") {
		return // a file without a name ends with its process
	}
	if inside := path == l.dir || strings.HasPrefix(path, l.dir+"/"); inside && !slices.Contains(l.scratch, filepath.Base(path)) {
		l.dirty[path] = what
	}
}

func (l *ledger) synced(path string) {
	if path == l.dir || strings.HasPrefix(path, l.dir+"/") {
		l.syncs++
		delete(l.dirty, path)
	}
}

func (l *ledger) acknowledge(args string) {
	l.acked++
	for path, what := range l.dirty {
		l.lies = append(l.lies, fmt.Sprintf("%s is acknowledged while %s is not synced after %s", args, strings.TrimPrefix(path, l.dir), what))
	}
}
