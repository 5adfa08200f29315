package volume

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

func store(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := New(Options{Dir: dir, Cluster: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestPrepare(t *testing.T) {
	s := store(t, t.TempDir())
	if err := s.Prepare("srv_a", 1, false, 1000, 1000); protocol.CodeOf(err) != protocol.NotFound {
		t.Fatalf("a start without a volume: %v", err)
	}
	if err := s.Prepare("srv_a", 1, true, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(s.Data("srv_a"))
	if st, _ := info.Sys().(*syscall.Stat_t); os.Getuid() == 0 && st.Uid != 1000 {
		t.Fatalf("data belongs to %d", st.Uid)
	}
	for _, c := range []struct {
		epoch int64
		fresh bool
		want  protocol.Code
	}{{1, false, ""}, {1, true, ""}, {0, true, protocol.Stale}, {2, false, protocol.Stale}, {2, true, ""}, {1, true, protocol.Stale}, {2, false, ""}} {
		if err := s.Prepare("srv_a", c.epoch, c.fresh, 1000, 1000); protocol.CodeOf(err) != c.want {
			t.Errorf("epoch %d fresh %v: %v, want %q", c.epoch, c.fresh, err, c.want)
		}
	}
	if err := s.Prepare("../x", 1, true, 1, 1); protocol.CodeOf(err) != protocol.Invalid {
		t.Fatal(err)
	}
}

// TestMissingIdentityRefusesStart: an unmounted disk shows as a directory without the file; the game must not make a new world there.
func TestMissingIdentityRefusesStart(t *testing.T) {
	s := store(t, t.TempDir())
	if err := s.Prepare("srv_a", 1, true, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Data("srv_a"), "level.dat"), []byte("world"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.Data("srv_a"), "..", IdentityFile)); err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []bool{false, true} {
		if err := s.Prepare("srv_a", 1, fresh, 1000, 1000); protocol.CodeOf(err) != protocol.NotFound {
			t.Errorf("fresh %v: %v", fresh, err)
		}
	}
	other, err := New(Options{Dir: s.dir, Cluster: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if err := s.Prepare("srv_b", 1, true, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := other.Prepare("srv_b", 1, true, 1000, 1000); protocol.CodeOf(err) != protocol.Conflict {
		t.Fatalf("another cluster's volume: %v", err)
	}
}

// TestS01RemovalFollowsNoLink: chown and removal of a volume touch nothing outside it.
func TestS01RemovalFollowsNoLink(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	canary := filepath.Join(out, "canary")
	if err := os.WriteFile(canary, []byte("alive"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := store(t, dir)
	if err := s.Prepare("srv_a", 1, true, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"abs": out, "file": canary, "up": "../../../..", "proc": "/proc/self/root"} {
		if err := os.Symlink(to, filepath.Join(s.Data("srv_a"), name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Prepare("srv_a", 1, false, 1001, 1001); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Usage(t.Context(), "srv_a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("srv_a"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(canary)
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := info.Sys().(*syscall.Stat_t); st.Uid == 1001 {
		t.Fatal("chown followed a link")
	}
	if _, err := os.Stat(filepath.Join(dir, "volumes", "srv_a")); !os.IsNotExist(err) {
		t.Fatal("the volume is still there")
	}
	if err := s.Remove("srv_a"); err != nil {
		t.Fatalf("removing twice: %v", err)
	}
}

func TestRemovalIsFinishedAfterACrash(t *testing.T) {
	dir := t.TempDir()
	s := store(t, dir)
	if err := s.Prepare("srv_a", 1, true, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := failpoint.Arm("volume.remove.between=error"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = failpoint.Arm("") })
	if err := s.Remove("srv_a"); err == nil {
		t.Fatal("no failure")
	}
	if list, _ := s.List(); len(list) != 0 {
		t.Fatalf("half a volume is listed: %v", list)
	}
	again := store(t, dir)
	entries, _ := os.ReadDir(filepath.Join(dir, "volumes"))
	if len(entries) != 0 {
		t.Fatalf("the rest was not deleted: %v", entries)
	}
	_ = again
}

func TestQuarantineKeepsAWeek(t *testing.T) {
	dir := t.TempDir()
	s := store(t, dir)
	if err := s.Prepare("srv_a", 3, true, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	name, err := s.Quarantine("srv_a", 3, now)
	if err != nil || name != "quarantine/srv_a-3-20261121T120000Z" {
		t.Fatal(name, err)
	}
	if none, err := s.Quarantine("srv_a", 3, now); none != "" || err != nil {
		t.Fatalf("second quarantine: %q %v", none, err)
	}
	if swept, _ := s.Sweep(now.Add(Quarantined)); len(swept) != 0 {
		t.Fatalf("swept too early: %v", swept)
	}
	if swept, err := s.Sweep(now.Add(Quarantined + time.Second)); len(swept) != 1 || err != nil {
		t.Fatalf("%v %v", swept, err)
	}
}

func TestUsage(t *testing.T) {
	s := store(t, t.TempDir())
	if err := s.Prepare("srv_a", 1, true, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Data("srv_a"), "r.0.0.mca"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Usage(t.Context(), "srv_a"); err != nil || n < 1<<20 || n > 1<<20+64<<10 {
		t.Fatal(n, err)
	}
}
