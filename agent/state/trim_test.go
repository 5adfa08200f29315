package state

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
)

func bounded(t testing.TB, dir string, most int64) *Journal {
	t.Helper()
	j, err := Open(Options{Dir: dir, Boot: "boot-1", BridgePool: netip.MustParsePrefix("10.213.0.0/24"), MaxBytes: most})
	if err != nil {
		t.Fatal(err)
	}
	j.db.NoSync = true // what is under test is not durability
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// TestF05ReportsAreBoundedByBytes: the controller is away for long. The newest reports stay, without a hole, and the number they begin
// with says how many are lost.
func TestF05ReportsAreBoundedByBytes(t *testing.T) {
	dir := t.TempDir()
	const most = 64 << 10
	j := bounded(t, dir, most)
	filler := strings.Repeat("x", 200)
	var made int64
	check := func(what string) []protocol.Report {
		t.Helper()
		reports, err := j.Next(t.Context(), 0, 1<<20)
		if err != nil || len(reports) == 0 {
			t.Fatalf("%s: %d reports, %v", what, len(reports), err)
		}
		if reports[0].Seq != j.NextSeq() || reports[len(reports)-1].Seq != made || int64(len(reports)) != j.Waiting() {
			t.Fatalf("%s: %d reports %d to %d, of %d; first %d, %d wait", what, len(reports), reports[0].Seq, reports[len(reports)-1].Seq, made, j.NextSeq(), j.Waiting())
		}
		for i, r := range reports {
			if r.Seq != reports[0].Seq+int64(i) {
				t.Fatalf("%s: a hole before %d", what, r.Seq)
			}
		}
		var sum int64
		_ = j.db.View(func(tx *bolt.Tx) error { sum = measureReports(tx); return nil })
		if sum != j.bytes || sum > most {
			t.Fatalf("%s: %d bytes, counted %d, at most %d", what, sum, j.bytes, most)
		}
		return reports
	}
	for i := range 400 {
		facts := []protocol.Fact{observed("srv_"+fmt.Sprint(i%7)+filler, protocol.StateCrashed, "")}
		if i%3 == 0 {
			facts = append(facts, observed("srv_p"+filler, protocol.StatePulling, fmt.Sprint(i)))
		}
		before := j.Waiting() + j.NextSeq()
		if err := j.Append(t.Context(), facts...); err != nil {
			t.Fatal(err)
		}
		made += j.Waiting() + j.NextSeq() - before
	}
	if j.NextSeq() == 1 {
		t.Fatal("nothing was dropped: the test is too small")
	}
	first := check("after many")[0].Seq
	if j.Dropped() != first-1 {
		t.Errorf("dropped up to %d, begins with %d", j.Dropped(), first)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = bounded(t, dir, most)
	if again := check("opened again")[0].Seq; again != first || j.Dropped() != first-1 {
		t.Errorf("begins with %d, before with %d", again, first)
	}
	if err := j.Ack(t.Context(), made-3); err != nil {
		t.Fatal(err)
	}
	if got := check("acknowledged"); len(got) != 3 {
		t.Errorf("%d wait", len(got))
	}
	if err := j.Rebase(t.Context(), made+1000); err != nil {
		t.Fatal(err)
	}
	made += 1003
	check("rebased")
	if j.Dropped() != 0 {
		t.Errorf("dropped up to %d by other numbers", j.Dropped())
	}
}

// TestCompactKeepsTheJournal: rows, numbers and term are the same in the smaller file.
func TestCompactKeepsTheJournal(t *testing.T) {
	dir := t.TempDir()
	j := grown(t, dir)
	servers, reports := contents(t, j)
	term, _ := j.Term()
	path := filepath.Join(dir, FileName)
	before := size(path)
	if err := j.compact(path, 64<<10); err != nil {
		t.Fatal(err)
	}
	if after := size(path); after*2 > before {
		t.Errorf("%d bytes, before %d", after, before)
	}
	same := func(what string) {
		t.Helper()
		s, r := contents(t, j)
		got, _ := j.Term()
		if !slices.Equal(s, servers) || !slices.Equal(r, reports) || got != term {
			t.Errorf("%s: %d servers, %d reports, term %d; want %d, %d, %d", what, len(s), len(r), got, len(servers), len(reports), term)
		}
	}
	same("compacted")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(leftover(path), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	j = bounded(t, dir, 0)
	same("opened again")
	if _, err := os.Stat(leftover(path)); !os.IsNotExist(err) {
		t.Error("what a compaction left is still there")
	}
	if err := j.Append(t.Context(), observed("later", protocol.StateRunning, "")); err != nil {
		t.Error(err)
	}
}

// TestF14DamagedJournalIsNotCompacted: a row that does not match its checksum keeps the file as it is.
func TestF14DamagedJournalIsNotCompacted(t *testing.T) {
	dir := t.TempDir()
	j := grown(t, dir)
	path := filepath.Join(dir, FileName)
	err := j.db.Update(func(tx *bolt.Tx) error {
		k, v := tx.Bucket(bucketServers).Cursor().First()
		bad := slices.Clone(v)
		bad[len(bad)-1] ^= 1
		return tx.Bucket(bucketServers).Put(k, bad)
	})
	if err != nil {
		t.Fatal(err)
	}
	before := size(path)
	if err := j.compact(path, 64<<10); err != nil || size(path) != before {
		t.Errorf("%v; %d bytes, before %d", err, size(path), before)
	}
	if _, err := os.Stat(leftover(path)); !os.IsNotExist(err) {
		t.Error("the copy is still there")
	}
}

// grown is a journal with much free space in it.
func grown(t testing.TB, dir string) *Journal {
	t.Helper()
	j := bounded(t, dir, 0)
	var facts []protocol.Fact
	for i := range 3000 {
		facts = append(facts, observed(fmt.Sprintf("%0200d", i), protocol.StateRunning, ""))
	}
	if err := j.Append(t.Context(), facts...); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		id := fmt.Sprint("srv_", i)
		if err := j.Save(t.Context(), Server{Spec: protocol.Spec{Server: id}, Want: WantRun}); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Bridge(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.SeeTerm(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	if err := j.Ack(t.Context(), 2990); err != nil {
		t.Fatal(err)
	}
	return j
}

func contents(t testing.TB, j *Journal) (servers, reports []string) {
	t.Helper()
	rows, err := j.Servers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range rows {
		p, err := j.Bridge(t.Context(), s.ID(), nil)
		servers = append(servers, fmt.Sprint(s.ID(), p, err))
	}
	list, err := j.Next(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		reports = append(reports, fmt.Sprint(r.Seq, r.Fact.Observed.Server))
	}
	return servers, append(reports, fmt.Sprint(j.NextSeq(), j.Waiting()))
}
