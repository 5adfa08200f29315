package fakehetzner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
)

// maxAgent is more than any agent has.
const maxAgent = 256 << 20

// baked is the agent that was downloaded last, beside the disks: snapshots hold one, and their user-data names none.
const baked = "agent"

// fetch downloads the agent as user-data says, and refuses what has another SHA-256. The agent is for this computer, whatever the machine
// claims to be.
func (b *ProcessBooter) fetch(ctx context.Context, root *os.Root, u userData) error {
	url, sum, ok := u.download(runtime.GOARCH)
	if err := root.MkdirAll(filepath.Dir(agentFile), 0o755); err != nil {
		return err
	}
	if !ok {
		if err := os.Link(filepath.Join(b.opt.Root, baked), filepath.Join(root.Name(), agentFile)); err != nil {
			return errors.New("user-data downloads no agent, no machine has one already, and none was given to the fake")
		}
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := b.opt.Client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	file, err := root.OpenFile(agentFile+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, hash), io.LimitReader(resp.Body, maxAgent))
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("%s has the SHA-256 %s, not %s", url, got, sum)
	}
	if err := root.Rename(agentFile+".part", agentFile); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = os.Remove(filepath.Join(b.opt.Root, baked))
	return os.Link(filepath.Join(root.Name(), agentFile), filepath.Join(b.opt.Root, baked))
}
