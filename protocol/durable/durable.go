// Package durable replaces small files so that after the death of the process or of the machine the old or the new content is there, whole.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/payperplay/payperplay/protocol/failpoint"
)

// WriteFile puts data at path: a temporary file beside it, fsync, rename, fsync of the directory. When it returns without an error the new
// content survives a power failure. Temporary files of a process that died in between are named "."+base+".*" and are left to Sweep.
//
// Tests break it at point+".before" (nothing written), ".synced" (not renamed), ".renamed" (the directory not synced) and ".after".
func WriteFile(path string, data []byte, mode os.FileMode, point string) (err error) {
	dir, name := filepath.Split(path)
	f, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = failpoint.Hit(point + ".before"); err != nil {
		return err
	}
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = failpoint.Hit(point + ".synced"); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	if err := failpoint.Hit(point + ".renamed"); err != nil {
		return err
	}
	if err := SyncDir(dir); err != nil {
		return err
	}
	return failpoint.Hit(point + ".after")
}

// SyncDir makes the names in a directory survive a power failure; "" is the working directory.
func SyncDir(dir string) error {
	if dir == "" {
		dir = "."
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// IsAt tells whether the open file still is the one that path names.
func IsAt(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(have, named)
}

// Sweep removes what writers of path that died have left behind, once it is older than age: a younger one may still be at work.
// The last element of path may be a pattern as of filepath.Match.
func Sweep(path string, age time.Duration) {
	dir, name := filepath.Split(path)
	left, _ := filepath.Glob(filepath.Join(dir, "."+name+".*"))
	for _, file := range left {
		if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > age {
			_ = os.Remove(file)
		}
	}
}
