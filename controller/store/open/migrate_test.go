package open

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// place is an engine that can make addresses of empty places.
type place struct {
	name  string
	empty func(t *testing.T) string
}

func places() []place {
	return []place{
		{"bolt", func(t *testing.T) string { t.Helper(); return filepath.Join(t.TempDir(), "controller.db") }},
		{"postgres", func(t *testing.T) string { t.Helper(); return postgrestest.Database(t) }},
	}
}

// routes are all pairs of engines.
func routes(t *testing.T, fn func(t *testing.T, from, to place)) {
	t.Helper()
	all := places()
	for _, from := range all {
		for _, to := range all {
			t.Run(from.name+" to "+to.name, func(t *testing.T) { fn(t, from, to) })
		}
	}
}

// filled makes a store with rows of every kind and closes it; it returns its cluster and term.
func filled(t *testing.T, address string, rows int) (cluster string, term int64) {
	t.Helper()
	db, err := Open(t.Context(), address, Options{Tables: storetest.Tables()})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error {
		for i := range rows {
			v := storetest.Item{ID: fmt.Sprintf("k%05d", i), N: int64(i - 7), Group: fmt.Sprint(i % 3), On: i%2 == 0, Text: strings.Repeat("ä\t\"<", i%9), Data: make([]byte, i%64)}
			if i%2 == 0 {
				v.Name = fmt.Sprint("näme ", i)
			}
			if err := storetest.Items.Put(tx, v); err != nil {
				return err
			}
		}
		for _, id := range []string{"ä", "Z", "a", "\u2028", "🎮"} {
			if err := storetest.Others.Put(tx, storetest.Item{ID: id}); err != nil {
				return err
			}
		}
		_, err := tx.Next("numbers")
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return db.ClusterID(), db.Term()
}

// holds checks that the store can be led and has what filled made.
func holds(t *testing.T, address string, rows int, cluster string, aboveTerm int64) {
	t.Helper()
	if report, err := Check(t.Context(), address, storetest.Tables()); err != nil || !report.Clean() {
		t.Fatalf("check of %s: %v %v", address, report, err)
	}
	db, err := Open(t.Context(), address, Options{Tables: storetest.Tables()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if db.ClusterID() != cluster || db.Term() <= aboveTerm {
		t.Errorf("cluster %s, term %d; want %s and more than %d", db.ClusterID(), db.Term(), cluster, aboveTerm)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error {
		n, err := storetest.Items.Count(tx)
		others, err2 := storetest.Others.Count(tx)
		next, err3 := tx.Next("numbers")
		if n != int64(rows) || others != 5 || next != 2 {
			t.Errorf("%d items, %d others, next number %d", n, others, next)
		}
		_, err4 := storetest.Items.Lookup(tx, "name", "näme 4")
		return errors.Join(err, err2, err3, err4)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMigrate(t *testing.T) {
	routes(t, func(t *testing.T, from, to place) {
		a, b := from.empty(t), to.empty(t)
		cluster, term := filled(t, a, 2000)
		var last Progress
		phases := map[Phase]int64{}
		m, err := Migrate(t.Context(), a, b, MoveOptions{Progress: func(p Progress) { last = p; phases[p.Phase]++ }})
		if err != nil {
			t.Fatal(err)
		}
		if m.Rows != 2005 || last.Rows != 2005 || last.Total != 2005 || phases[Copying] != 2005 || phases[Comparing] != 2005 || m.Term <= term {
			t.Errorf("moved %+v, progress %+v %v", m, last, phases)
		}
		_, err = Open(t.Context(), a, Options{Tables: storetest.Tables()})
		if !errors.Is(err, store.ErrMoved) || !strings.Contains(err.Error(), m.To) {
			t.Errorf("the old store opens: %v", err)
		}
		if _, err := Migrate(t.Context(), a, b, MoveOptions{}); fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "already") {
			t.Errorf("a second move: %v", err)
		}
		if _, err := Migrate(t.Context(), a, to.empty(t), MoveOptions{}); !errors.Is(err, store.ErrMoved) {
			t.Errorf("a move to a third place: %v", err)
		}
		holds(t, b, 2000, cluster, term+1)
	})
}

func TestMigrateRefuses(t *testing.T) {
	routes(t, func(t *testing.T, from, to place) {
		a, b := from.empty(t), to.empty(t)
		cluster, term := filled(t, a, 10)
		filled(t, b, 3)
		if _, err := Migrate(t.Context(), a, b, MoveOptions{}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("over another store: %v", err)
		}
		if _, err := Migrate(t.Context(), a, a, MoveOptions{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("onto itself: %v", err)
		}
		db, err := Open(t.Context(), a, Options{Tables: storetest.Tables()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Migrate(t.Context(), a, to.empty(t), MoveOptions{}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("under a controller: %v", err)
		}
		if err := db.Update(t.Context(), func(tx store.Tx) error { return storetest.Others.Delete(tx, "nobody") }); err != nil {
			t.Errorf("the controller that was there: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		holds(t, a, 10, cluster, term)
	})
}

func TestUnmark(t *testing.T) {
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			a, b := p.empty(t), places()[0].empty(t)
			cluster, term := filled(t, a, 10)
			if mark, err := Unmark(t.Context(), a); mark != nil || err != nil {
				t.Errorf("Unmark of a store without a mark: %v %v", mark, err)
			}
			if _, err := Migrate(t.Context(), a, b, MoveOptions{}); err != nil {
				t.Fatal(err)
			}
			if mark, err := Unmark(t.Context(), a); err != nil || mark == nil || mark.To != b {
				t.Errorf("Unmark: %v %v", mark, err)
			}
			holds(t, a, 10, cluster, term)
		})
	}
}

// TestMigrateKilled kills a move at every point, and runs it again: it ends well, and at no time could both be opened, or a part.
func TestMigrateKilled(t *testing.T) {
	points := []string{"store.dump.before", "store.dump.after", "store.migrate.copied", "store.migrate.compared", "store.retire.before", "store.retire.after",
		"store.migrate.retired", "store.stage.batch", "store.stage.sync.before", "store.publish.before", "store.publish.after",
		"store.rename.before", "store.rename.after", "store.migrate.published"}
	if os.Getenv("PPP_SOAK") == "" {
		points = []string{"store.migrate.copied", "store.retire.before", "store.migrate.retired", "store.migrate.published"}
	}
	routes(t, func(t *testing.T, from, to place) {
		for _, point := range points {
			t.Run(point, func(t *testing.T) {
				a, b := from.empty(t), to.empty(t)
				cluster, term := filled(t, a, 300)
				killed, out := child(t, a, b, point+"=kill")
				if !killed && out != "" {
					t.Fatalf("it ended by itself: %s", out)
				}
				old := opens(t, a)
				if fresh := present(t, b) && opens(t, b); old && fresh {
					t.Error("both can be opened")
				} else if fresh {
					holds(t, b, 300, cluster, term)
					return
				}
				if _, out := child(t, a, b, ""); out != "" {
					t.Fatalf("the second run: %s", out)
				}
				if opens(t, a) {
					t.Error("the old store opens after the move")
				}
				holds(t, b, 300, cluster, term+1)
			})
		}
	})
}

// child runs a move in a process of its own; it gives what the process complained of.
func child(t *testing.T, from, to, plan string) (killed bool, complaint string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], from, to)
	cmd.Env = append(os.Environ(), envChild+"=migrate", failpoint.EnvPlan+"="+plan)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		return ok && status.Signal() == syscall.SIGKILL, stderr.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return false, stderr.String()
}

// opens tells whether a controller could start there; present whether there is anything (opening would make it).
func opens(t *testing.T, address string) bool {
	t.Helper()
	db, err := Open(t.Context(), address, Options{Tables: storetest.Tables()})
	if err != nil {
		if !errors.Is(err, store.ErrMoved) {
			t.Errorf("%s: %v", address, err)
		}
		return false
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	return true
}

func present(t *testing.T, address string) bool {
	t.Helper()
	a, err := Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if a.Engine == Bolt {
		_, err := os.Stat(a.Path)
		return err == nil
	}
	src, err := engineOf(a).read(t.Context(), a)
	if fault.KindOf(err) == fault.NotFound {
		return false
	}
	if err := errors.Join(err, src.Close()); err != nil {
		t.Fatal(err)
	}
	return true
}

// TestMigrateNoticesAWrongCopy: a row that changes on the way stops the move, and the old store stays what it was.
func TestMigrateNoticesAWrongCopy(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "b.db")
	cluster, term := filled(t, a, 50)
	origin, err := boltEngine{}.hold(t.Context(), Address{Engine: Bolt, Path: a}, false)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := boltEngine{}.stage(t.Context(), Address{Engine: Bolt, Path: b})
	if err != nil {
		t.Fatal(err)
	}
	m := Moved{From: a, To: b}
	err = m.fill(t.Context(), origin, lossy{stage}, nil)
	if fault.KindOf(err) != fault.Internal || !strings.Contains(fault.Message(err)+err.Error(), `items, row "k00007"`) {
		t.Errorf("fill: %v", err)
	}
	if err := errors.Join(stage.Close(), origin.Close()); err != nil {
		t.Error(err)
	}
	if present(t, b) {
		t.Error("the wrong copy is there")
	}
	holds(t, a, 50, cluster, term)
}

// lossy shows one row other than it was loaded.
type lossy struct{ store.Stage }

func (l lossy) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	return l.Stage.Dump(ctx, head, func(r store.Row) error {
		if r.Key == "k00007" {
			r.Doc = bytes.Replace(r.Doc, []byte(`"n":0`), []byte(`"n":1`), 1)
		}
		return row(r)
	})
}
