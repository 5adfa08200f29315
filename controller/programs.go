package controller

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/api"
	"github.com/payperplay/payperplay/controller/fault"
)

// programs are the agents that machines download from this controller: agent-linux-ARCH in a directory, beside the controller where
// a release and a build have them. For the controller's own architecture a file named agent does as well.
type programs struct {
	dir string

	mu    sync.Mutex
	known map[string]program
}

// program is what is known of a file as long as size and time of change stay.
type program struct {
	size    int64
	changed time.Time
	sum     string
}

var _ api.Programs = (*programs)(nil)

// architectures that an agent is built for.
var architectures = []string{"amd64", "arm64"}

func newPrograms(dir string) *programs {
	if dir == "" {
		if self, err := os.Executable(); err == nil {
			dir = filepath.Dir(self)
		}
	}
	return &programs{dir: dir, known: map[string]program{}}
}

// Agent implements api.Programs.
func (p *programs) Agent(arch string) (path, sum string, err error) {
	if !slices.Contains(architectures, arch) {
		return "", "", fault.New(fault.NotFound, fmt.Sprintf("there is no agent for %q", arch), "use amd64 or arm64")
	}
	names := []string{"agent-linux-" + arch}
	if runtime.GOOS == "linux" && arch == runtime.GOARCH {
		names = append(names, "agent")
	}
	for _, name := range names {
		path = filepath.Join(p.dir, name)
		if sum, err = p.sum(path); err == nil {
			return path, sum, nil
		}
	}
	return "", "", fault.Wrap(err, fault.NotFound, "this controller has no agent for "+arch+" to hand out", "put agent-linux-"+arch+" into "+p.dir+" (make build makes it), or name its directory with --agents")
}

// sum reads a file once for each time it changes.
func (p *programs) sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !st.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.known[path]; k.size == st.Size() && k.changed.Equal(st.ModTime()) && k.sum != "" {
		return k.sum, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	k := program{st.Size(), st.ModTime(), hex.EncodeToString(h.Sum(nil))}
	p.known[path] = k
	return k.sum, nil
}
