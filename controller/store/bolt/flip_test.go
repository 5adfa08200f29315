package bolt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

const flipRows = 60

func flipItem(i int) storetest.Item {
	return storetest.Item{ID: store.SeqKey(int64(i)), Name: fmt.Sprint("name", i), Group: fmt.Sprint("g", i%7), N: int64(i * i), On: i%3 == 0,
		Data: bytes.Repeat([]byte{byte(i)}, i*5)}
}

// TestF14FlippedBytes changes single bytes of a store. A read never gives a wrong value: it is right, or an error, or the
// check finds what is wrong. 500 flips, 10,000 with PPP_SOAK. The work is done by a child, which may crash.
func TestF14FlippedBytes(t *testing.T) {
	flips := 500
	if soak() {
		flips = 10_000
	}
	dir := memoryDir(t)
	makeFlipStore(t, filepath.Join(dir, "whole.db"))
	results := map[string]int{}
	seed := rand.Uint64()
	for at := 0; at < flips; {
		done, last := runFlips(t, dir, "flips", seed, at, flips, results)
		if at = done; at < flips { // the child died at flip number at: that is loud, not silent
			t.Logf("flip %d of seed %d crashed the child: %s", at, seed, last)
			results["crash"]++
			at++
		}
	}
	t.Logf("seed %d: %v", seed, results)
	if results["crash"]*20 > flips {
		t.Errorf("%d of %d flips crashed the process: the pages should have been found out before", results["crash"], flips)
	}
	if results["check"] == 0 || results["no effect"] == 0 {
		t.Error("the test does not reach both live and unused bytes")
	}
}

// memoryDir is a directory in memory where there is one: each flip writes a file, and no disk is under test.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ppp-flip-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func makeFlipStore(t *testing.T, path string) {
	t.Helper()
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	for _, step := range []int{2, 1} { // two passes and a deletion, so that there are free pages too
		err := db.Update(t.Context(), func(tx store.Tx) error {
			for i := 0; i < flipRows; i += step {
				if err := storetest.Items.Put(tx, flipItem(i)); err != nil {
					return err
				}
			}
			return storetest.Others.Put(tx, storetest.Item{ID: "x", N: int64(step)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, path)
}

// runFlips lets a child do the flips or tears [from, to) and returns the first one it has not finished.
func runFlips(t *testing.T, dir, role string, seed uint64, from, to int, results map[string]int) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir, strconv.FormatUint(seed, 10), strconv.Itoa(from), strconv.Itoa(to))
	cmd.Env = append(os.Environ(), envChild+"="+role)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		result, detail, _ := strings.Cut(lines.Text(), ": ")
		if result == "SILENT" {
			t.Errorf("flip %d of seed %d: %s", from, seed, detail)
		}
		results[result]++
		from++
	}
	_ = cmd.Wait()
	first, _, _ := strings.Cut(stderr.String(), "\n")
	return from, first
}

func flipChild() {
	dir := os.Args[1]
	seed, _ := strconv.ParseUint(os.Args[2], 10, 64)
	from, _ := strconv.Atoi(os.Args[3])
	to, _ := strconv.Atoi(os.Args[4])
	whole, err := os.ReadFile(filepath.Join(dir, "whole.db"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	path := filepath.Join(dir, "flipped.db")
	for i := from; i < to; i++ {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		data := bytes.Clone(whole)
		at := r.IntN(len(data))
		data[at] ^= byte(1 + r.IntN(255))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(judge(path, at))
	}
	os.Exit(0)
}

// judge says what a flip did: the check found it, open or a read refused, nothing — or something silent.
func judge(path string, at int) string {
	ctx := context.Background()
	report, err := Check(ctx, path)
	found := err != nil || !report.Clean()
	db, err := Open(ctx, path, Options{Tables: storetest.Tables()})
	if err != nil {
		if !found {
			return fmt.Sprintf("SILENT: offset %d: open says %v, the check was clean", at, err)
		}
		return "check"
	}
	defer func() { _ = db.Close() }()
	wrong, missing := readAll(ctx, db)
	switch {
	case wrong != "":
		return fmt.Sprintf("SILENT: offset %d: %s", at, wrong)
	case missing != "" && !found:
		return fmt.Sprintf("SILENT: offset %d: %s, and the check was clean", at, missing)
	case found:
		return "check"
	}
	return "no effect"
}

// readAll compares everything with what was written. wrong is a value that came without an error; missing is one that
// did not come, or came with an error.
func readAll(ctx context.Context, db *DB) (wrong, missing string) {
	err := db.View(ctx, func(tx store.Tx) error {
		for i := range flipRows {
			want := flipItem(i)
			got, err := storetest.Items.Get(tx, want.ID)
			byName, err2 := storetest.Items.Lookup(tx, "name", want.Name)
			for _, e := range []error{err, err2} {
				if e != nil {
					missing = e.Error()
				}
			}
			if err == nil && !same(got, want) || err2 == nil && !same(byName, want) {
				wrong = fmt.Sprintf("row %d is %v, %v", i, got, byName)
			}
		}
		for _, index := range []string{"", "grp", "name"} {
			n := 0
			for v, err := range storetest.Items.Range(tx, index, nil, nil, 0, false) {
				if err != nil {
					missing = err.Error()
					continue
				}
				i, _ := strconv.Atoi(strings.TrimLeft(v.ID, "0"))
				if n++; !same(v, flipItem(i)) {
					wrong = fmt.Sprintf("index %q gives %v", index, v)
				}
			}
			if n != flipRows {
				missing = fmt.Sprintf("index %q has %d rows", index, n)
			}
		}
		if n, err := storetest.Items.Count(tx); err == nil && n != flipRows {
			missing = fmt.Sprintf("Count is %d", n)
		}
		if v, err := storetest.Others.Get(tx, "x"); err == nil && v.N != 1 {
			missing = "the last change" // a damaged header: the store opened at the change before, and the check says so
		}
		return nil
	})
	if err != nil {
		missing = errors.Join(errors.New(missing), err).Error()
	}
	return wrong, missing
}

func same(a, b storetest.Item) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Group == b.Group && a.N == b.N && a.On == b.On && bytes.Equal(a.Data, b.Data)
}
