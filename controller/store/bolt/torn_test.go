package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// What a disk writes or loses as one.
const (
	tornPairs  = 8 // transactions, each with the file before it and after it
	sector     = 512
	tornPage   = 4096
	metaLength = 2 * tornPage // the two headers, of which a commit writes one, last
)

// tears are ways to come from the file before a transaction to the one after it and not arrive. r picks, n counts 0, 1, 2 …
var tears = []struct {
	name string
	// exact: power went before the commit was over. The store must be one of the two, whole, and the check clean; with before, the old one.
	exact, before bool
	// header: the file may be called damaged although it is one of the two, whole.
	header bool
	make   func(a, b []byte, r *rand.Rand, n int) []byte
}{
	// Power fails while the pages are written, before the first fsync: any of their sectors are there.
	{name: "pages", exact: true, before: true, make: func(a, b []byte, r *rand.Rand, n int) []byte {
		out := make([]byte, []int{len(a), len(b)}[n%2])
		copy(out, a)
		for at := metaLength; at < len(b); at += sector {
			if r.IntN(2) == 0 && at < len(out) {
				copy(out[at:], b[at:at+sector])
			}
		}
		return out
	}},
	// Power fails while the header is written, after the pages were synced.
	{name: "header", exact: true, make: func(a, b []byte, r *rand.Rand, _ int) []byte {
		out := bytes.Clone(b)
		for at := 0; at < metaLength; at += sector {
			if r.IntN(2) == 0 {
				copy(out[at:at+sector], a[at:])
			}
		}
		return out
	}},
	// A disk that tears even sectors: the header by half.
	{name: "header by half", header: true, make: func(a, b []byte, _ *rand.Rand, n int) []byte {
		out := bytes.Clone(b)
		for page := range 2 {
			cut := page*tornPage + 1 + n%96 // a header is 80 bytes long
			copy(out[cut:(page+1)*tornPage], a[cut:])
		}
		return out
	}},
	// A disk or a copy that lost the end, at each sector of the last pages.
	{name: "cut", make: func(_, b []byte, _ *rand.Rand, n int) []byte {
		return bytes.Clone(b[:len(b)-sector*(1+n%(16*tornPage/sector))])
	}},
	// A disk that lost sectors that it had said were written.
	{name: "zeroes", make: func(_, b []byte, r *rand.Rand, _ int) []byte {
		out := bytes.Clone(b)
		for range 1 + r.IntN(4) {
			at := r.IntN(len(b)/sector) * sector
			clear(out[at : at+sector])
		}
		return out
	}},
	// A page of which one half is the old one.
	{name: "half a page", make: func(a, b []byte, r *rand.Rand, n int) []byte {
		out := bytes.Clone(b)
		var changed []int
		for at := metaLength; at+tornPage <= min(len(a), len(b)); at += tornPage {
			if !bytes.Equal(a[at:at+tornPage], b[at:at+tornPage]) {
				changed = append(changed, at)
			}
		}
		at := changed[r.IntN(len(changed))] + n%2*tornPage/2
		copy(out[at:at+tornPage/2], a[at:])
		return out
	}},
}

// TestF14Torn takes what a power failure or a lying disk can leave of a transaction: the store opens at the transaction before or after it
// and is whole, or it is refused with the way out, or the damaged rows are errors and the check finds them. Nothing is silently wrong.
// 960 tears, 10,000 with PPP_SOAK.
func TestF14Torn(t *testing.T) {
	count := 960
	if soak() {
		count = 10_000
	}
	dir := memoryDir(t)
	makePairs(t, dir)
	results := map[string]int{}
	seed := rand.Uint64()
	for at := 0; at < count; {
		done, last := runFlips(t, dir, "torn", seed, at, count, results)
		if at = done; at < count {
			t.Logf("tear %d of seed %d crashed the child: %s", at, seed, last)
			results["crash"]++
			at++
		}
	}
	t.Logf("seed %d: %v", seed, results)
	if results["crash"] > 0 {
		t.Errorf("%d tears crashed the process: the pages should have been found out before", results["crash"])
	}
	for _, want := range []string{"before", "after", "refused", "found"} {
		if results[want] == 0 {
			t.Errorf("no tear ended with %q: the test does not reach what it is for", want)
		}
	}
}

// contents are all rows of a store, by table and key.
type contents map[string]string

// makePairs writes the file before and after some transactions, with their contents.
func makePairs(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	keep := func(name string) {
		data, err := os.ReadFile(path)
		rows, damage := readContents(t.Context(), db)
		text, err2 := json.Marshal(rows)
		err = errors.Join(err, err2, damage, os.WriteFile(filepath.Join(dir, name+".db"), data, 0o600), os.WriteFile(filepath.Join(dir, name+".json"), text, 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	for pair := range tornPairs {
		keep(fmt.Sprint("a", pair))
		err := db.Update(t.Context(), func(tx store.Tx) error {
			for i := range 40 {
				v := flipItem(pair*15 + i) // new rows, changed ones, and from the third transaction on some that go
				v.Data = bytes.Repeat([]byte{byte(pair)}, i*9+pair)
				if err := errors.Join(storetest.Items.Put(tx, v), storetest.Items.Delete(tx, store.SeqKey(int64(pair*15+i-40)))); err != nil {
					return err
				}
			}
			return storetest.Others.Put(tx, storetest.Item{ID: "pair", N: int64(pair)})
		})
		if err != nil {
			t.Fatal(err)
		}
		keep(fmt.Sprint("b", pair))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, path)
}

// readContents reads everything; damage tells what came with an error.
func readContents(ctx context.Context, db *DB) (rows contents, damage error) {
	rows = contents{}
	err := db.View(ctx, func(tx store.Tx) error {
		for _, table := range []store.Table[storetest.Item]{storetest.Items, storetest.Others} {
			count := int64(0)
			for _, index := range []string{"", "name"} {
				if index != "" && len(table.Indexes) == 0 {
					continue
				}
				for v, err := range table.Range(tx, index, nil, nil, 0, false) {
					if err != nil {
						damage = errors.Join(damage, err)
						continue
					}
					text, _ := json.Marshal(v)
					rows[table.Name+index+"/"+v.ID] = string(text)
					count++
				}
			}
			n, err := table.Count(tx)
			if err != nil || n != count && 2*n != count {
				damage = errors.Join(damage, fmt.Errorf("table %s counts %d rows, %d came (%w)", table.Name, n, count, err))
			}
		}
		return nil
	})
	return rows, errors.Join(damage, err)
}

func (c contents) equal(o contents) bool {
	for key, v := range c {
		if o[key] != v {
			return false
		}
	}
	return len(c) == len(o)
}

func tornChild() {
	fatal := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	dir := os.Args[1]
	seed, _ := strconv.ParseUint(os.Args[2], 10, 64)
	from, _ := strconv.Atoi(os.Args[3])
	to, _ := strconv.Atoi(os.Args[4])
	var files [tornPairs][2][]byte
	var rows [tornPairs][2]contents
	ever := map[string]bool{}
	for pair := range tornPairs {
		for side, letter := range []string{"a", "b"} {
			name := filepath.Join(dir, fmt.Sprint(letter, pair))
			var err error
			files[pair][side], err = os.ReadFile(name + ".db")
			fatal(err)
			text, err := os.ReadFile(name + ".json")
			fatal(err)
			fatal(json.Unmarshal(text, &rows[pair][side]))
			for key, v := range rows[pair][side] {
				ever[key+v] = true
			}
		}
	}
	path := filepath.Join(dir, "torn.db")
	for i := from; i < to; i++ {
		pair, kind, n := i%tornPairs, tears[i/tornPairs%len(tears)], i/tornPairs/len(tears)
		a, b := files[pair][0], files[pair][1]
		a = append(bytes.Clone(a), make([]byte, max(0, len(b)-len(a)))...) // a file grows by zeroes
		data := kind.make(a, b, rand.New(rand.NewPCG(seed, uint64(i))), n)
		fatal(os.WriteFile(path, data, 0o600))
		j := judgement{before: rows[pair][0], after: rows[pair][1], ever: ever, exact: kind.exact, mustBefore: kind.before, header: kind.header}
		result := j.of(path)
		if strings.HasPrefix(result, "SILENT") {
			result += fmt.Sprintf(" (%s, pair %d, %d)", kind.name, pair, n)
		}
		fmt.Println(result)
	}
	os.Exit(0)
}

// judgement is what may become of a torn file.
type judgement struct {
	before, after             contents
	ever                      map[string]bool // every row with every value it ever had
	exact, mustBefore, header bool
}

// of says what became of it: before, after, refused, found, stale — or something silent. Stale is a row as it was long before, from a sector
// that the disk said it had written over: its own checksum is right, only the check finds it.
func (j judgement) of(path string) string {
	ctx := context.Background()
	report, err := Check(ctx, path)
	found := err != nil || !report.Clean()
	if j.exact && found {
		return fmt.Sprintf("SILENT: a clean power failure is called damaged: %v %v", err, report)
	}
	db, err := Open(ctx, path, Options{Tables: storetest.Tables()})
	if err != nil {
		switch next := fault.Next(err); {
		case j.exact || j.header:
			return fmt.Sprintf("SILENT: a store that is whole is refused: %v", err)
		case !found:
			return fmt.Sprintf("SILENT: open says %v, the check was clean", err)
		case !strings.Contains(next, "restore"):
			return fmt.Sprintf("SILENT: %q does not say how to restore: %q", fault.Message(err), next)
		}
		return "refused"
	}
	defer func() { _ = db.Close() }()
	rows, damage := readContents(ctx, db)
	stale := false
	for key, v := range rows {
		if !j.ever[key+v] {
			return fmt.Sprintf("SILENT: row %s is %.80s, never written", key, v)
		}
		stale = stale || v != j.before[key] && v != j.after[key]
	}
	old, fresh := damage == nil && rows.equal(j.before), damage == nil && rows.equal(j.after)
	switch {
	case fresh && !j.mustBefore:
		return "after"
	case old && (j.exact || j.header || found):
		return "before"
	case j.exact || j.header:
		return fmt.Sprintf("SILENT: neither the transaction before nor after: %v", damage)
	case found && stale:
		return "stale"
	case found:
		return "found"
	}
	return fmt.Sprintf("SILENT: rows are missing and the check was clean: %v", damage)
}
