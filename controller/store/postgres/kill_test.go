package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

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
		n, err := writeNumber(ctx, db)
		fatal(err)
		fmt.Println(n)
	}
}

// writeNumber is one Update: a row that comes, one that changes, one that goes.
func writeNumber(ctx context.Context, db *DB) (n int64, err error) {
	err = db.Update(ctx, func(tx store.Tx) (err error) {
		if n, err = tx.Next("writes"); err != nil {
			return err
		}
		v := storetest.Item{ID: store.SeqKey(n), Name: fmt.Sprint("n", n), N: n, Data: make([]byte, n%900)}
		return errors.Join(storetest.Items.Put(tx, v), storetest.Others.Put(tx, storetest.Item{ID: "last", N: n}),
			storetest.Others.Delete(tx, store.SeqKey(n-1)), storetest.Others.Put(tx, v))
	})
	return n, err
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
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acked int64
	lines := bufio.NewScanner(out)
	for first := true; lines.Scan(); first = false {
		if acked, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if first {
			time.AfterFunc(time.Duration(5+rand.IntN(50))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
		t.Fatalf("the writer ended by itself: %v %s", err, stderr.String())
	}
	return acked
}

func verifyWrites(t *testing.T, url string, acked int64) {
	t.Helper()
	db := openAt(t, url, Options{Tables: storetest.Tables()})
	err := errors.Join(numbered(t.Context(), db, acked), db.Close())
	if err != nil {
		t.Error(err)
	}
}

// numbered looks for every number up to the last, none missing, none twice, none by half, and at least up to acked.
func numbered(ctx context.Context, db *DB, acked int64) error {
	return db.View(ctx, func(tx store.Tx) error {
		next := int64(1)
		for v, err := range storetest.Items.Range(tx, "n", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if v.N != next || len(v.Data) != int(next%900) {
				return fmt.Errorf("row %d where %d should be", v.N, next)
			}
			next++
		}
		if next <= acked {
			return fmt.Errorf("%d rows, but %d was acknowledged", next-1, acked)
		}
		last, err := storetest.Others.Get(tx, "last")
		if next > 1 && (err != nil || last.N != next-1) {
			return fmt.Errorf("a write by half: last is %d of %d (%w)", last.N, next-1, err)
		}
		return nil
	})
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
