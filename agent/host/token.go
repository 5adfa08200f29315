package host

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// tokenText is how a join token looks like, wherever it was written.
var tokenText = regexp.MustCompile(`ppj_[A-Za-z0-9_-]{20,}`)

// mostText bounds what is read of one file: user-data has 32 KiB, a log of cloud-init some hundred.
const mostText = 16 << 20

// ForgetToken takes the join token off the disk: its own file, and the copies that cloud-init keeps of user-data and what it logged. The
// token is used up by then; it must not be found all the same (reliability.md §3.1). root is "/"; no link out of it is followed.
func ForgetToken(root, file string) error {
	var errs []error
	if file != "" {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	disk, err := os.OpenRoot(root)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	defer func() { _ = disk.Close() }()
	for _, dir := range []string{"var/lib/cloud", "run/cloud-init", "var/log"} {
		err := fs.WalkDir(disk.FS(), dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				errs = append(errs, err)
				return nil
			case d.IsDir() && path == "var/log" || !d.IsDir() && keepsToken(path, d):
			case d.IsDir() && strings.HasPrefix(path, "var/log/"):
				return fs.SkipDir
			case d.IsDir():
			default:
				return nil
			}
			if d.IsDir() {
				return nil
			}
			if err := blot(disk, path); err != nil {
				errs = append(errs, err)
			}
			return nil
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// keepsToken tells whether a file may hold user-data: all of cloud-init's, and its logs.
func keepsToken(path string, d fs.DirEntry) bool {
	return d.Type().IsRegular() && (strings.HasPrefix(path, "var/lib/cloud/") || strings.HasPrefix(path, "run/cloud-init/") || strings.HasPrefix(filepath.Base(path), "cloud-init"))
}

// blot writes "removed" over every token in a file.
func blot(disk *os.Root, path string) error {
	f, err := disk.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() > mostText {
		return err
	}
	text := make([]byte, st.Size())
	if _, err := f.ReadAt(text, 0); err != nil {
		return err
	}
	clean := tokenText.ReplaceAllFunc(text, func(token []byte) []byte { // as long as it was: whoever appends to the file is not disturbed
		return append([]byte("removed"), bytes.Repeat([]byte("-"), len(token)-len("removed"))...)
	})
	if bytes.Equal(clean, text) {
		return nil
	}
	if _, err := f.WriteAt(clean, 0); err != nil {
		return err
	}
	return f.Sync()
}
