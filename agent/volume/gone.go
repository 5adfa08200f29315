package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Quarantined volumes are kept this long at least.
const Quarantined = 7 * 24 * time.Hour

const stamp = "20060102T150405Z"

// Remove deletes the server's volume; one that is not there is fine. It vanishes under its name at once, so that a removal that was
// interrupted never leaves half a world.
func (s *Store) Remove(server string) error {
	name, err := s.path(server)
	if err != nil {
		return err
	}
	gone := name + goneSuffix
	if err := s.root.RemoveAll(gone); err != nil {
		return err
	}
	if err := failpoint.Hit("volume.remove.before"); err != nil {
		return err
	}
	if err := s.root.Rename(name, gone); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := s.syncDir(volumesDir); err != nil {
		return err
	}
	if err := failpoint.Hit("volume.remove.between"); err != nil {
		return err
	}
	if err := s.root.RemoveAll(gone); err != nil {
		return err
	}
	return failpoint.Hit("volume.remove.after")
}

func (s *Store) finishRemovals() {
	f, err := s.root.Open(volumesDir)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	names, _ := f.Readdirnames(-1)
	for _, n := range names {
		if !strings.HasSuffix(n, goneSuffix) {
			continue
		}
		if err := s.root.RemoveAll(path.Join(volumesDir, n)); err != nil {
			s.log.Warn("a removed volume could not be deleted", "name", n, "err", err)
		}
	}
}

// Quarantine sets the server's volume aside and gives the new name under DATA; the name is empty when there was no volume.
func (s *Store) Quarantine(server string, epoch int64, now time.Time) (string, error) {
	name, err := s.path(server)
	if err != nil {
		return "", err
	}
	aside := path.Join(quarantineDir, fmt.Sprintf("%s-%d-%s", server, epoch, now.UTC().Format(stamp)))
	if err := failpoint.Hit("volume.quarantine.before"); err != nil {
		return "", err
	}
	if err := s.root.Rename(name, aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return "", err
	}
	if err := failpoint.Hit("volume.quarantine.renamed"); err != nil {
		return "", err
	}
	if err := errors.Join(s.syncDir(volumesDir), s.syncDir(quarantineDir)); err != nil {
		return "", err
	}
	return aside, failpoint.Hit("volume.quarantine.after")
}

// Sweep deletes what has been in quarantine for longer than Quarantined and gives the names. What it cannot read it leaves.
func (s *Store) Sweep(now time.Time) ([]string, error) {
	f, err := s.root.Open(quarantineDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(-1)
	var swept []string
	for _, n := range names {
		at, err := time.Parse(stamp, n[strings.LastIndexByte(n, '-')+1:])
		if err != nil || now.Sub(at) <= Quarantined {
			continue
		}
		if err := s.root.RemoveAll(path.Join(quarantineDir, n)); err != nil {
			return swept, err
		}
		swept = append(swept, n)
	}
	return swept, err
}

// Usage sums what the server's files take on disk, in bytes.
func (s *Store) Usage(ctx context.Context, server string) (int64, error) {
	name, err := s.path(server, dataDir)
	if err != nil {
		return 0, err
	}
	data, err := s.root.OpenRoot(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = data.Close() }()
	var bytes int64
	err = fs.WalkDir(data.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the game renames and deletes while we look
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += st.Blocks * 512
		}
		return nil
	})
	return bytes, err
}
