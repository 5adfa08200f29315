// Package volume keeps the files of servers on a node: DATA/volumes/<server>/data is what a container sees, and beside it, out of the
// tenant's reach, lies the identity file that says whose it is. Everything goes through os.Root: a link that a tenant made leads nowhere.
//
// A volume that is set aside goes to DATA/quarantine/<server>-<epoch>-<time> and stays there for a week at least.
package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"

	"github.com/payperplay/payperplay/protocol"
)

// IdentityFile lies at the root of every volume.
const IdentityFile = ".payperplay-identity.json"

const (
	volumesDir    = "volumes"
	quarantineDir = "quarantine"
	goneSuffix    = ".gone"
	dataDir       = "data"
)

var serverID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// Options say where volumes are and whose cluster they belong to.
type Options struct {
	Dir     string // DATA
	Cluster string
	Logger  *slog.Logger
}

// Store is all volumes of one node.
type Store struct {
	dir     string // absolute
	cluster string
	root    *os.Root // DATA
	log     *slog.Logger
}

// New opens the store and finishes removals that an earlier process began.
func New(o Options) (*Store, error) {
	if o.Dir == "" || o.Cluster == "" {
		return nil, errors.New("volume: Dir and Cluster are needed")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, cluster: o.Cluster, root: root, log: o.Logger}
	for name, mode := range map[string]fs.FileMode{volumesDir: 0o711, quarantineDir: 0o700} {
		if err := root.MkdirAll(name, mode); err != nil {
			_ = root.Close()
			return nil, protocol.Faultf(protocol.Unavailable, "make the directory writable for the agent", "cannot make %s: %v", filepath.Join(dir, name), err)
		}
	}
	if err := s.syncDir("."); err != nil { // the names of both, before anything is put into them
		return nil, errors.Join(err, root.Close())
	}
	s.finishRemovals()
	return s, nil
}

// Close lets go of the directory.
func (s *Store) Close() error { return s.root.Close() }

// Data gives the path that is mounted into the server's container.
func (s *Store) Data(server string) string { return filepath.Join(s.dir, volumesDir, server, dataDir) }

func (s *Store) path(server string, rest ...string) (string, error) {
	if !serverID.MatchString(server) {
		return "", protocol.Faultf(protocol.Invalid, "", "%q is not a server id", server)
	}
	return filepath.Join(append([]string{volumesDir, server}, rest...)...), nil
}

// List gives the ids of the servers that have a volume here.
func (s *Store) List() ([]string, error) {
	f, err := s.root.Open(volumesDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	entries, err := f.ReadDir(-1)
	var out []string
	for _, e := range entries {
		if e.IsDir() && serverID.MatchString(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// syncDir makes names in a directory durable.
func (s *Store) syncDir(name string) error {
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	return nil
}
