package volume

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"syscall"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Prepare makes the volume ready for a start at the epoch. A volume that is not there is made only when fresh; one whose identity file
// is missing refuses the start, because then the disk it lived on is probably not mounted and the game would make a new world.
// The data directory belongs to uid:gid afterwards.
func (s *Store) Prepare(server string, epoch int64, fresh bool, uid, gid int) error {
	want := protocol.Identity{Cluster: s.cluster, Server: server, Epoch: epoch}
	have, err := s.Identity(server)
	switch {
	case protocol.CodeOf(err) == protocol.NotFound && fresh && s.empty(server):
		if err := s.create(want); err != nil {
			return err
		}
	case err != nil:
		return err
	case have.Epoch > epoch:
		return protocol.Faultf(protocol.Stale, "", "the volume of server %s is of epoch %d, the grant only of %d", server, have.Epoch, epoch)
	case have.Epoch < epoch && !fresh:
		return protocol.Faultf(protocol.Stale, "move or restore the server again", "the volume of server %s is of epoch %d, the grant of %d", server, have.Epoch, epoch)
	case have.Epoch < epoch:
		s.log.Info("volume taken over for a newer epoch", "server", server, "from", have.Epoch, "epoch", epoch)
		if err := s.writeIdentity(want); err != nil {
			return err
		}
	}
	return s.own(server, uid, gid)
}

// Identity reads the identity file. NotFound: it is missing. Conflict: it is not this server's or this cluster's.
func (s *Store) Identity(server string) (protocol.Identity, error) {
	var id protocol.Identity
	name, err := s.path(server, IdentityFile)
	if err != nil {
		return id, err
	}
	text, err := s.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return id, protocol.Faultf(protocol.NotFound, "check that the volume's disk is mounted on the node, or restore a snapshot",
			"the volume of server %s has no identity file (%s)", server, s.Data(server))
	}
	if err != nil {
		return id, err
	}
	if err := json.Unmarshal(text, &id); err != nil || id.Server != server || id.Cluster != s.cluster {
		return id, protocol.Faultf(protocol.Conflict, "move the directory aside and restore the server",
			"the volume at %s belongs to server %q of cluster %q", s.Data(server), id.Server, id.Cluster)
	}
	return id, nil
}

// empty tells whether there is nothing of the server: no directory, or one that a creation left half done.
func (s *Store) empty(server string) bool {
	name, err := s.path(server, dataDir)
	if err != nil {
		return false
	}
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	entries, _ := f.ReadDir(1)
	return len(entries) == 0
}

func (s *Store) create(id protocol.Identity) error {
	name, _ := s.path(id.Server)
	if err := s.root.MkdirAll(path.Join(name, dataDir), 0o711); err != nil {
		return full(err)
	}
	if err := s.root.Chmod(path.Join(name, dataDir), 0o770); err != nil {
		return err
	}
	if err := s.writeIdentity(id); err != nil {
		return err
	}
	if err := s.syncDir(volumesDir); err != nil {
		return err
	}
	return failpoint.Hit("volume.create.after")
}

// writeIdentity replaces the file in one step: temporary file, fsync, rename, fsync of the directory.
func (s *Store) writeIdentity(id protocol.Identity) error {
	dir, _ := s.path(id.Server)
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	temp := path.Join(dir, IdentityFile+".new")
	f, err := s.root.Create(temp)
	if err != nil {
		return full(err)
	}
	err = failpoint.Hit("volume.identity.before")
	if err == nil {
		_, err = f.Write(append(text, '\n'))
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return full(err)
	}
	if err := failpoint.Hit("volume.identity.synced"); err != nil {
		return err
	}
	if err := s.root.Rename(temp, path.Join(dir, IdentityFile)); err != nil {
		return err
	}
	if err := failpoint.Hit("volume.identity.renamed"); err != nil {
		return err
	}
	if err := s.syncDir(dir); err != nil {
		return err
	}
	return failpoint.Hit("volume.identity.after")
}

// own gives the data directory to the game's user; its content only when the directory belonged to someone else.
func (s *Store) own(server string, uid, gid int) error {
	name, _ := s.path(server, dataDir)
	info, err := s.root.Lstat(name)
	if err != nil {
		return protocol.Faultf(protocol.NotFound, "check that the volume's disk is mounted on the node, or restore a snapshot",
			"the volume of server %s has no data directory (%s)", server, s.Data(server))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == uid && int(st.Gid) == gid {
		return nil
	}
	data, err := s.root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }()
	return fs.WalkDir(data.FS(), ".", func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return data.Lchown(p, uid, gid)
	})
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return protocol.Faultf(protocol.ReadOnly, "free space on the node's disk", "the node's disk is full: the volume cannot be made")
	}
	return err
}
