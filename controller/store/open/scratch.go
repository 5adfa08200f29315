package open

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/controller/fault"
)

// scratchPattern is what the directories are called in which backups are put together.
const scratchPattern = ".payperplay-backup-*"

// scratchYoung is an age below which a directory is left alone: its maker may not have locked it yet.
const scratchYoung = time.Minute

// newScratch makes a directory in parent ("": the system's for temporary files) that is locked until done takes it away. What
// processes that were killed left there goes first.
func newScratch(parent string) (dir string, done func(), err error) {
	sweepScratch(parent, time.Now())
	dir, err = os.MkdirTemp(parent, scratchPattern)
	if err != nil {
		return "", nil, fault.Wrap(err, fault.Unavailable, "there is no place to put the backup together: "+err.Error(), "look at the directory's owner and mode")
	}
	lock, err := lockDir(dir)
	if err != nil {
		_ = os.Remove(dir)
		return "", nil, fault.Wrap(err, fault.Unavailable, "the place to put the backup together cannot be locked: "+err.Error(), "name a directory on a local disk")
	}
	return dir, func() {
		_ = os.RemoveAll(dir)
		_ = lock.Close()
	}, nil
}

// sweepScratch removes the directories whose makers are gone: nobody has them locked.
func sweepScratch(parent string, now time.Time) {
	if parent == "" {
		parent = os.TempDir()
	}
	left, _ := filepath.Glob(filepath.Join(parent, scratchPattern))
	for _, dir := range left {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || now.Sub(info.ModTime()) < scratchYoung {
			continue
		}
		if lock, err := lockDir(dir); err == nil {
			_ = os.RemoveAll(dir)
			_ = lock.Close()
		}
	}
}

// lockDir fails at once when another has it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
