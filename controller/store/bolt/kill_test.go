package bolt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// kept are the numbers of writers that are killed often.
var kept = storetest.Numbers{Keep: 300}

// writerChild numbers rows and prints each number once it is acknowledged, until it is killed.
func writerChild() {
	ctx := context.Background()
	fatal := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fatal(failpoint.Arm(os.Getenv(failpoint.EnvPlan)))
	db, err := Open(ctx, os.Args[1], Options{Tables: storetest.Tables()})
	fatal(err)
	for {
		n, err := kept.Write(ctx, db)
		fatal(err)
		fmt.Println(n)
	}
}

// TestF14KillNine kills a writer again and again on one file: every acknowledged write is there, there is no write by half,
// and the check is clean. It does not cover power loss (torn_test.go does). 60 kills, 1,000 with PPP_SOAK.
func TestF14KillNine(t *testing.T) {
	kills := 60
	if soak() {
		kills = 1000
	}
	// By turns on the disk and in memory: there fewer writes happen until the kill, here it falls between them more often.
	paths := []string{filepath.Join(t.TempDir(), "controller.db"), filepath.Join(memoryDir(t), "controller.db")}
	points := []string{"", "", "", "store.commit.before=kill@", "store.commit.after=kill@"}
	var newest [2]int64
	began := time.Now()
	for i := range kills {
		plan := points[i%len(points)]
		if plan != "" {
			plan += strconv.Itoa(2 + rand.IntN(10))
		}
		path := paths[i%2]
		newest[i%2] = max(newest[i%2], runWriter(t, path, plan))
		verifyWrites(t, path, newest[i%2])
		if t.Failed() {
			t.Fatalf("after kill %d (%q)", i+1, plan)
		}
	}
	each := time.Since(began) / time.Duration(kills)
	t.Logf("%d kills, %d acknowledged writes, 0 lost; %s each", kills, newest[0]+newest[1], each.Round(time.Millisecond))
}

// TestF14KilledInTheFirstStart dies while the file is made: there is no store or a whole one.
func TestF14KilledInTheFirstStart(t *testing.T) {
	for _, point := range []string{"store.rename.before", "store.rename.after", "store.commit.before", "store.commit.after"} {
		path := filepath.Join(memoryDir(t), "controller.db")
		acked := runWriter(t, path, point+"=kill@1")
		if acked != 0 {
			t.Fatalf("%s: %d was acknowledged", point, acked)
		}
		verifyWrites(t, path, runWriter(t, path, ""))
	}
}

// runWriter starts a writer, kills it some time after its first write, and returns the last number it had acknowledged.
func runWriter(t *testing.T, path, plan string) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], path)
	cmd.Env = append(os.Environ(), envChild+"=writer", failpoint.EnvPlan+"="+plan)
	return storetest.Kill(t, cmd, 15*time.Millisecond)
}

func verifyWrites(t *testing.T, path string, acked int64) {
	t.Helper()
	mustBeClean(t, path)
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	_, err := kept.Check(t.Context(), db, acked)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Error(err)
	}
}
