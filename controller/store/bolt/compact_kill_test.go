package bolt

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// compactChild writes and compacts in turns until it is killed, and prints the number of the last write it was told is durable.
func compactChild() {
	ctx := context.Background()
	fatal := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fatal(failpoint.Arm(os.Getenv(failpoint.EnvPlan)))
	if os.Getenv(envChild) == "compact-file" {
		for {
			_, err := CompactFile(ctx, os.Args[1])
			fatal(err)
		}
	}
	db, err := Open(ctx, os.Args[1], Options{Tables: storetest.Tables(), CompactAbove: 64 << 10})
	fatal(err)
	all := storetest.Numbers{}
	for {
		for range 5 {
			n, err := all.Write(ctx, db)
			fatal(err)
			fmt.Println(n)
		}
		_, err := db.Compact(ctx)
		fatal(err)
		n, err := all.Write(ctx, db) // written to the new file
		fatal(err)
		fmt.Println(n)
	}
}

// TestF14KillNineDuringCompaction kills at every failpoint of a compaction, on line, at open and off line: the name leads to the old
// file or the new one, whole, with every acknowledged write, and what lies beside it is gone at the next open.
func TestF14KillNineDuringCompaction(t *testing.T) {
	rounds := 1
	if soak() {
		rounds = 20
	}
	points := []string{
		"store.compact.before", "store.compact.batch", "store.compact.sync.before", "store.compact.sync.after",
		"store.compact.rename.before", "store.compact.rename.after", "store.compact.after",
	}
	dir := memoryDir(t)
	path := filepath.Join(dir, "controller.db")
	for round := range rounds {
		for _, point := range points {
			acked := runCompactor(t, path, "compact", fmt.Sprintf("%s=kill@%d", point, 1+round%3))
			verifyWrites(t, path, acked)
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
				t.Fatalf("%s: after the next open there is still %v", point, left)
			}
			runCompactor(t, path, "compact-file", point+"=kill")
			verifyWrites(t, path, acked)
			if t.Failed() {
				t.Fatalf("killed at %s", point)
			}
		}
	}
}

// runCompactor runs the child until its failpoint kills it.
func runCompactor(t *testing.T, path, role, plan string) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], path)
	cmd.Env = append(os.Environ(), envChild+"="+role, failpoint.EnvPlan+"="+plan)
	return storetest.Kill(t, cmd, 0)
}
