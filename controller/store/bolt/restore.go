package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Restore makes target a copy of the backup file: all of it or nothing. It refuses a file that is not ours, one that is
// damaged, one of another cluster than the store at target, and a target that a controller has open. The store that was
// there stays beside it as target.before-restore. The term never falls: it continues from the higher one of both. The next start
// sees by store.RestoreSequence that it runs on a backup.
func Restore(ctx context.Context, backupFile, target string) error {
	tmp, err := tempBeside(target)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "nothing can be written beside "+target+": "+err.Error(), "look at the directory's owner and mode")
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := copyFile(ctx, backupFile, tmp); err != nil {
		return err
	}
	from, err := vetBackup(ctx, tmp, backupFile)
	if err != nil {
		return err
	}
	to, found, err := peek(target)
	if err != nil {
		return err
	}
	if found {
		if to.cluster != from.cluster {
			return fault.New(fault.Conflict,
				fmt.Sprintf("%s is a backup of cluster %s, %s is the store of cluster %s", backupFile, from.cluster, target, to.cluster),
				"name the right file; to replace the store all the same, move "+target+" away first")
		}
	}
	if err := mark(tmp, max(from.term, to.term)); err != nil {
		return err
	}
	if err := failpoint.Hit("store.restore.marked"); err != nil {
		return err
	}
	release, err := holdTarget(target)
	if err != nil {
		return err
	}
	defer release()
	if err := setAside(target); err != nil {
		return err
	}
	return publish(tmp, target, 0)
}

// copyFile copies a regular file and fsyncs the copy.
func copyFile(ctx context.Context, from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return fault.Wrap(err, fault.NotFound, "the backup cannot be read: "+err.Error(), "name a file that `controller store backup` has made")
	}
	defer func() { _ = src.Close() }()
	if info, err := src.Stat(); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return notOurs(from, "it is not a regular file")
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if _, err := io.Copy(ctxWriter{ctx, dst}, src); err != nil {
		if isFull(err) {
			return fault.Wrap(err, fault.ReadOnly, "the disk is full: nothing was restored", "free space beside "+to)
		}
		return err
	}
	if err := failpoint.Hit("store.restore.sync.before"); err != nil {
		return err
	}
	return dst.Sync()
}

// vetBackup checks the copy; messages name the file that the person named.
func vetBackup(ctx context.Context, tmp, name string) (identity, error) {
	report, err := Check(ctx, tmp)
	if err != nil {
		if fault.KindOf(err) == fault.Invalid {
			return identity{}, notOurs(name, "it is no backup of a store")
		}
		return identity{}, err
	}
	if !report.Clean() {
		return identity{}, fault.New(fault.Invalid, "the backup "+name+" is damaged: "+report.Findings[0].String(),
			"nothing was changed: restore an older backup")
	}
	return identity{cluster: report.Cluster, term: report.Term}, nil
}

// holdTarget keeps controllers away while the file is replaced; a target that does not exist needs no lock.
func holdTarget(target string) (release func(), err error) {
	f, err := os.Open(target)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		busy := inUse(target)
		return nil, errors.Join(busy, f.Close())
	}
	if !durable.IsAt(f, target) { // compacted between the look and the lock
		return nil, errors.Join(inUse(target), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// peek reads the identity of the store that is to be replaced; a damaged one has none that counts.
func peek(target string) (id identity, found bool, err error) {
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
		return id, false, nil
	}
	_, findings, err := inspect(target, unix.LOCK_SH)
	if fault.KindOf(err) == fault.Unavailable || len(findings) > 0 {
		return id, false, nil
	}
	if err != nil {
		return id, false, err
	}
	b, err := openFile(target, &bbolt.Options{Timeout: time.Nanosecond, ReadOnly: true})
	if err != nil {
		return id, false, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	defer catchFaults()()
	btx, err := b.Begin(false)
	if err != nil {
		return id, false, err
	}
	defer func() { _ = btx.Rollback() }()
	id, err = readIdentity(&tx{b: btx}, target)
	if fault.KindOf(err) == fault.Unavailable {
		return id, false, nil
	}
	return id, err == nil, err
}

func mark(path string, term int64) error {
	b, err := openFile(path, &bbolt.Options{Timeout: time.Nanosecond, NoFreelistSync: true})
	if err != nil {
		return err
	}
	err = b.Update(func(btx *bbolt.Tx) error {
		t := &tx{b: btx}
		n, err := t.metaInt("q/" + store.RestoreSequence)
		return errors.Join(err, t.putMetaInt("q/"+store.RestoreSequence, n+1), t.putMetaInt("term", term))
	})
	return errors.Join(err, b.Close())
}

// setAside keeps the old store under a second name.
func setAside(target string) error {
	aside := target + ".before-restore"
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(target, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
