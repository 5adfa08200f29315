package volume

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

// TestF02VolumeKilledAtEachStep dies at each step of making a volume and of taking it over for a newer epoch: the epoch that was answered
// for is in the identity file, the world is there, and the next start under that epoch or a newer one goes on.
func TestF02VolumeKilledAtEachStep(t *testing.T) { killtest.Run(t, volumes()) }

// TestF14VolumeIsSyncedFirst: the identity file, its name and the volume's are on the disk before a start goes on.
func TestF14VolumeIsSyncedFirst(t *testing.T) { killtest.Synced(t, volumes(), "level.dat") }

func volumes() killtest.Case {
	world := func(s *Store) string { return filepath.Join(s.Data("srv_a"), "level.dat") }
	return killtest.Case{
		Points: []string{"volume.identity.before", "volume.identity.synced", "volume.identity.renamed", "volume.identity.after"},
		Work: func(_ context.Context, dir string, acked func(int)) error {
			s, err := New(Options{Dir: dir, Cluster: "c1"})
			if err != nil {
				return err
			}
			have, _ := s.Identity("srv_a")
			for n := have.Epoch + 1; n <= have.Epoch+3; n++ {
				if err := s.Prepare("srv_a", n, true, os.Getuid(), os.Getgid()); err != nil {
					return err
				}
				if err := os.WriteFile(world(s), []byte(strconv.Itoa(int(n))), 0o600); err != nil {
					return err
				}
				acked(int(n))
			}
			return nil
		},
		Check: func(t *testing.T, dir string, acked int) {
			s := store(t, dir)
			defer func() { _ = s.Close() }()
			id, err := s.Identity("srv_a")
			if acked == 0 && protocol.CodeOf(err) == protocol.NotFound {
				return // nobody was told that there is one
			}
			if err != nil || id.Epoch < int64(acked) {
				t.Fatalf("identity %+v (%v), epoch %d was acknowledged", id, err, acked)
			}
			if acked > 0 {
				if _, err := os.Stat(world(s)); err != nil {
					t.Error(err)
				}
			}
			if err := s.Prepare("srv_a", id.Epoch, false, os.Getuid(), os.Getgid()); err != nil {
				t.Errorf("the start does not go on: %v", err)
			}
		},
	}
}

// TestF02RemovalKilledAtEachStep dies at each step of setting volumes aside and of deleting them: a volume is whole where it was, whole in
// quarantine, or gone, and one that is to be kept is never gone.
func TestF02RemovalKilledAtEachStep(t *testing.T) {
	const size = 20
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	killtest.Run(t, killtest.Case{
		Points: []string{"volume.create.after", "volume.quarantine.before", "volume.quarantine.renamed", "volume.quarantine.after",
			"volume.remove.before", "volume.remove.between", "volume.remove.after"},
		At: []int{1, 2},
		Work: func(_ context.Context, dir string, acked func(int)) error {
			s, err := New(Options{Dir: dir, Cluster: "c1"})
			if err != nil {
				return err
			}
			for n := range 2 {
				at := at.Add(time.Duration(os.Getpid()) * time.Second) // a second process's volumes have names of their own
				for _, id := range []string{"srv_keep" + strconv.Itoa(n), "srv_drop" + strconv.Itoa(n)} {
					if err := s.Prepare(id, 1, true, os.Getuid(), os.Getgid()); err != nil {
						return err
					}
					for i := range size {
						if err := os.WriteFile(filepath.Join(s.Data(id), strconv.Itoa(i)), []byte(id), 0o600); err != nil {
							return err
						}
					}
				}
				if _, err := s.Quarantine("srv_keep"+strconv.Itoa(n), 1, at); err != nil {
					return err
				}
				if err := s.Remove("srv_drop" + strconv.Itoa(n)); err != nil {
					return err
				}
				acked(n + 1)
			}
			return nil
		},
		Check: func(t *testing.T, dir string, acked int) {
			s := store(t, dir)
			defer func() { _ = s.Close() }()
			kept := 0
			for _, pattern := range []string{"quarantine/srv_keep*", "volumes/srv_*"} {
				found, _ := filepath.Glob(filepath.Join(dir, pattern))
				for _, name := range found {
					files, _ := os.ReadDir(filepath.Join(name, dataDir))
					if _, err := os.Stat(filepath.Join(name, IdentityFile)); err != nil || len(files) != size && len(files) != 0 {
						t.Errorf("%s has %d of %d files, identity %v", name, len(files), size, err)
					}
					if len(files) == size && pattern == "quarantine/srv_keep*" {
						kept++
					}
				}
			}
			if kept < acked {
				t.Errorf("%d volumes are in quarantine, %d were acknowledged", kept, acked)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "volumes", "*"+goneSuffix)); len(left) > 0 {
				t.Errorf("%v is left behind", left)
			}
		},
	})
}
