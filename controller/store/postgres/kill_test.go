package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// numbers are what the writers of this package write.
var numbers = storetest.Numbers{}

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
		n, err := numbers.Write(ctx, db)
		fatal(err)
		fmt.Println(n)
	}
}

// TestF14KillNine kills a writer again and again on one database: every acknowledged write is there, there is no write by
// half, and the check is clean. 30 kills, 1,000 with PPP_SOAK.
func TestF14KillNine(t *testing.T) {
	kills := 30
	if soak() {
		kills = 1000
	}
	url := postgrestest.Database(t)
	points := []string{"", "", "", "store.commit.before=kill@", "store.commit.after=kill@"}
	var total int64
	for i := range kills {
		plan := points[i%len(points)]
		if plan != "" {
			plan += strconv.Itoa(2 + rand.IntN(30))
		}
		acked := runWriter(t, url, plan)
		total = max(total, acked)
		if i%10 == 9 || i == kills-1 {
			mustBeClean(t, url)
		}
		verifyWrites(t, url, acked)
		if t.Failed() {
			t.Fatalf("after kill %d (%q)", i+1, plan)
		}
	}
	t.Logf("%d kills, %d acknowledged writes, 0 lost", kills, total)
}

// runWriter starts a writer, kills it some time after its first write, and returns the last number it had acknowledged.
func runWriter(t *testing.T, url, plan string) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], url)
	cmd.Env = append(os.Environ(), envChild+"=writer", failpoint.EnvPlan+"="+plan)
	return storetest.Kill(t, cmd, 50*time.Millisecond)
}

func verifyWrites(t *testing.T, url string, acked int64) {
	t.Helper()
	db := openAt(t, url, Options{Tables: storetest.Tables()})
	_, err := numbers.Check(t.Context(), db, acked)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Error(err)
	}
}

func mustBeClean(t testing.TB, url string) *store.Report {
	t.Helper()
	r, err := Check(t.Context(), url, storetest.Tables())
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	if !r.Clean() {
		t.Fatalf("Check: %v", r.Findings)
	}
	return r
}
