package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// Numbers is what a writer that is to be killed writes: rows with the numbers 1, 2, 3 … of which the last Keep stay, so that a store stays
// small however often its writer is killed; 0: all.
type Numbers struct{ Keep int64 }

// Write is one write: a row that comes, one that changes and one that goes, in one transaction.
func (k Numbers) Write(ctx context.Context, db store.DB) (n int64, err error) {
	err = db.Update(ctx, func(tx store.Tx) (err error) {
		if n, err = tx.Next("writes"); err != nil {
			return err
		}
		v := Item{ID: store.SeqKey(n), Name: fmt.Sprint("n", n), N: n, Data: make([]byte, n%900)}
		err = errors.Join(Items.Put(tx, v), Others.Put(tx, Item{ID: "last", N: n}), Others.Delete(tx, store.SeqKey(n-1)), Others.Put(tx, v))
		if err == nil && k.Keep > 0 {
			err = Items.Delete(tx, store.SeqKey(n-k.Keep))
		}
		return err
	})
	return n, err
}

// Check is an error if a write up to acked is missing, if one is there by half, or if there is a hole; it gives the newest.
func (k Numbers) Check(ctx context.Context, db store.DB, acked int64) (newest int64, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		first, rows := int64(0), int64(0)
		newest = 0
		for v, err := range Items.Range(tx, "n", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if rows++; rows == 1 {
				first = v.N
			}
			if newest = v.N; v.N != first+rows-1 || v.ID != store.SeqKey(v.N) || len(v.Data) != int(v.N%900) {
				return fmt.Errorf("row %s where %d should be", v.ID, first+rows-1)
			}
		}
		if newest < acked || first > 1 && (k.Keep == 0 || first > newest-k.Keep+1) {
			return fmt.Errorf("rows %d to %d, but %d was acknowledged", first, newest, acked)
		}
		last, err := Others.Get(tx, "last")
		if newest > 0 && (err != nil || last.N != newest) {
			return fmt.Errorf("a write by half: last is %d of %d (%w)", last.N, newest, err)
		}
		if n, err := Others.Count(tx); err != nil || newest > 0 && n != 2 {
			return fmt.Errorf("a write by half: %d rows in the second table (%w)", n, err)
		}
		return nil
	})
	return newest, err
}

// Kill runs a writer that prints each number once it is told to be durable, and kills it within the time after the first one; 0 or if it
// is quicker: it dies at a failpoint of its own. It gives the last number that was acknowledged.
func Kill(t *testing.T, writer *exec.Cmd, within time.Duration) (acked int64) {
	t.Helper()
	var stderr strings.Builder
	writer.Stderr = &stderr
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for first := true; lines.Scan(); first = false {
		if acked, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if first && within > 0 {
			time.AfterFunc(rand.N(within), func() { _ = writer.Process.Kill() })
		}
	}
	err = writer.Wait()
	if status, ok := writer.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || stderr.Len() > 0 {
		t.Fatalf("the writer ended by itself: %v %s", err, stderr.String())
	}
	return acked
}
