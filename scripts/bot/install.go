package bot

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

//go:embed bot.js
var botJS []byte

//go:embed package.json
var packageJSON []byte

//go:embed package-lock.json
var packageLock []byte

// install puts the bot and its packages into build/bot of the repository, unless they are there. Test binaries of several
// packages may come at once, so it holds a file lock meanwhile.
func install(ctx context.Context) (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "build", "bot")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "bot.js"), botJS, 0o644); err != nil {
		return "", err
	}
	mark := filepath.Join(dir, "installed-lock.json")
	if there, err := os.ReadFile(mark); err == nil && bytes.Equal(there, packageLock) {
		return dir, nil
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "package.json"), packageJSON, 0o644),
		os.WriteFile(filepath.Join(dir, "package-lock.json"), packageLock, 0o644)); err != nil {
		return "", err
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install the bot in %s (scripts/prepare node installs npm): %w: %s", dir, err, out[max(0, len(out)-500):])
	}
	return dir, os.WriteFile(mark, packageLock, 0o644)
}

// repository is the folder of go.mod, above the working directory: tests run in their package's folder.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the bot is installed in the repository's build folder, and the working directory is in no repository")
		}
	}
}
