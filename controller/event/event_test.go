package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open makes a log on a new store in which every Update runs twice.
func open(t *testing.T, opts event.Options) (*event.Log, store.DB) {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "controller.db"), opts)
}

func openAt(t *testing.T, path string, opts event.Options, tables ...store.TableDef) (*event.Log, *bolt.DB) {
	t.Helper()
	db, err := bolt.Open(t.Context(), path, bolt.Options{Tables: append(event.Tables(), tables...), DoubleRun: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	opts.DB = db
	log, err := event.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return log, db
}

func add(t testing.TB, log *event.Log, db store.DB, list ...event.Event) {
	t.Helper()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for _, e := range list {
			if _, err := log.Append(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addN adds n events of changing server, node and type.
func addN(t testing.TB, log *event.Log, db store.DB, n int) {
	t.Helper()
	list := make([]event.Event, n)
	types := []string{"server.started", "server.stopped", "node.joined"}
	for i := range list {
		list[i] = event.Event{Type: types[i%3], Server: fmt.Sprint("s", i%4), Node: fmt.Sprint("n", i%2), Owner: fmt.Sprint("o", i%5)}
	}
	add(t, log, db, list...)
}

func seqs(list []event.Event) []int64 {
	out := []int64{}
	for _, e := range list {
		out = append(out, e.Seq)
	}
	return out
}

func TestAppend(t *testing.T) {
	log, db := open(t, event.Options{})
	before := time.Now().UTC().Truncate(time.Microsecond)
	past := before.Add(-time.Hour)
	text := "\x00\xff\x1b[31m <b> 🎮"
	add(t, log, db,
		event.Event{Type: "server.started", Server: "s", Actor: "user:me", Data: event.JSON(map[string]any{"micro_euro": int64(9007199254740993)})},
		event.Event{Type: "player.joined", At: past, Seq: 99},
		event.Event{Type: "backup.created", At: before.Add(time.Hour), Data: event.JSON(map[string]any{text: []any{text, 1, nil}})})
	page, next, err := log.Query(t.Context(), event.Filter{})
	if err != nil || next != 0 || !slices.Equal(seqs(page), []int64{1, 2, 3}) {
		t.Fatalf("Query = %v, %d, %v", page, next, err)
	}
	if page[0].At.Before(before) || !page[1].At.Equal(past) || page[2].At.After(time.Now()) {
		t.Errorf("times %v, %v, %v: want now, what was given, and never the future", page[0].At, page[1].At, page[2].At)
	}
	var money struct {
		MicroEuro int64 `json:"micro_euro"`
	}
	if err := json.Unmarshal(page[0].Data, &money); err != nil || money.MicroEuro != 9007199254740993 {
		t.Errorf("data %s came back as %d (%v)", page[0].Data, money.MicroEuro, err)
	}
	var texts map[string][]any
	if err := json.Unmarshal(page[2].Data, &texts); err != nil || texts["��\x1b[31m <b> 🎮"] == nil {
		t.Errorf("text of a game came back as %q (%v)", texts, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	log, db := open(t, event.Options{})
	for name, e := range map[string]event.Event{
		"no type":          {},
		"unknown family":   {Type: "template.changed"},
		"family alone":     {Type: "server"},
		"family and star":  {Type: "server.*"},
		"upper case":       {Type: "server.Started"},
		"empty word":       {Type: "server."},
		"two dots":         {Type: "server..x"},
		"new line":         {Type: "server.started\n"},
		"data is no JSON":  {Type: "server.started", Data: json.RawMessage("{")},
		"data is too big":  {Type: "server.started", Data: event.JSON(strings.Repeat("x", event.MaxData))},
		"server with NUL":  {Type: "server.started", Server: "a\x00"},
		"server too long":  {Type: "server.started", Server: strings.Repeat("x", 600)},
		"actor not UTF-8":  {Type: "server.started", Actor: "\xff"},
		"trace with a NUL": {Type: "server.started", Trace: "\x00"},
	} {
		err := db.Update(t.Context(), func(tx store.Tx) error { _, err := log.Append(tx, e); return err })
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v of kind %s, want invalid", name, err, fault.KindOf(err))
		}
	}
	add(t, log, db, event.Event{Type: "scaling.node_ordered"}, event.Event{Type: "server.world.saved"})
	if page, _, err := log.Query(t.Context(), event.Filter{}); err != nil || !slices.Equal(seqs(page), []int64{1, 2}) {
		t.Errorf("after refusals the numbers are %v (%v), want 1 and 2", seqs(page), err)
	}
}

func TestQueryFilters(t *testing.T) {
	log, db := open(t, event.Options{})
	addN(t, log, db, 24)
	all, _, err := log.Query(t.Context(), event.Filter{})
	if err != nil || len(all) != 24 {
		t.Fatal(len(all), err)
	}
	for name, f := range map[string]event.Filter{
		"all": {}, "server": {Server: "s1"}, "node": {Node: "n1"}, "owner": {Owner: "o2"}, "nobody": {Server: "x"},
		"exact": {Types: []string{"server.stopped"}}, "family": {Types: []string{"server.*"}}, "two": {Types: []string{"node.joined", "server.stopped"}},
		"mix": {Server: "s1", Node: "n1", Types: []string{"server.*"}}, "family without events": {Types: []string{"billing.*"}},
	} {
		var want []int64
		for _, e := range all {
			if f.Match(e) {
				want = append(want, e.Seq)
			}
		}
		for _, reverse := range []bool{false, true} {
			var got []int64
			f.Reverse, f.Limit, f.After = reverse, 3, 0
			for pages := 0; ; pages++ {
				page, next, err := log.Query(t.Context(), f)
				if err != nil || len(page) > 3 || pages > 20 {
					t.Fatalf("%s: page of %d, %v", name, len(page), err)
				}
				got = append(got, seqs(page)...)
				if f.After = next; next == 0 {
					break
				}
			}
			if reverse {
				slices.Reverse(got)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, reverse %v: pages give %v, want %v", name, reverse, got, want)
			}
		}
	}
	for name, f := range map[string]event.Filter{
		"limit": {Limit: 1001}, "negative limit": {Limit: -1}, "cursor": {After: -1}, "type": {Types: []string{"x.y"}}, "family": {Types: []string{"x.*"}}, "star": {Types: []string{"*"}},
	} {
		if _, _, err := log.Query(t.Context(), f); fault.KindOf(err) != fault.Invalid || fault.Next(err) == "" {
			t.Errorf("bad %s: %v", name, err)
		}
	}
}

// TestQueryByTime has facts that were logged late, as after an agent's time offline.
func TestQueryByTime(t *testing.T) {
	log, db := open(t, event.Options{})
	start := time.Now().UTC().Add(-24 * time.Hour).Truncate(time.Microsecond)
	hour := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	for i, h := range []int{0, 5, 3, 10, 1, 24, 9} {
		add(t, log, db, event.Event{Type: "server.started", At: hour(h), Server: fmt.Sprint(i)})
	}
	tests := []struct {
		since, until time.Time
		want         []int64
	}{
		{hour(3), time.Time{}, []int64{2, 3, 4, 6, 7}},
		{hour(3), hour(10), []int64{2, 3, 7}},
		{time.Time{}, hour(3), []int64{1, 5}},
		{hour(30), time.Time{}, []int64{}},
		{time.Now().Add(time.Second), time.Time{}, []int64{}},
	}
	for _, test := range tests {
		for _, reverse := range []bool{false, true} {
			page, _, err := log.Query(t.Context(), event.Filter{Since: test.since, Until: test.until, Reverse: reverse})
			got := seqs(page)
			if reverse {
				slices.Reverse(got)
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("since %v until %v, reverse %v: %v, %v; want %v", test.since, test.until, reverse, got, err, test.want)
			}
		}
	}
	if page, _, err := log.Query(t.Context(), event.Filter{Server: "4", Since: hour(1)}); err != nil || len(page) != 1 {
		t.Errorf("one server since its event: %v, %v", page, err)
	}
}

// TestFollow has writers at work, of which some roll back, and a slow follower: each event comes once, in order.
func TestFollow(t *testing.T) {
	log, db := open(t, event.Options{Poll: time.Hour}) // so that it lives by being woken
	addN(t, log, db, 10)
	const writers, each = 4, 25
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				err := db.Update(ctx, func(tx store.Tx) error {
					if _, err := log.Append(tx, event.Event{Type: "player.joined", Server: fmt.Sprint(w)}); err != nil {
						return err
					}
					if i%5 == 4 {
						return context.Canceled
					}
					return nil
				})
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
	var got []int64
	const want = 10 + writers*each*4/5 - 3
	for e, err := range log.Follow(ctx, 3, event.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, e.Seq); len(got) == want {
			break
		}
	}
	group.Wait()
	for i, seq := range got {
		if seq != int64(i)+4 {
			t.Fatalf("event %d came at place %d: %v", seq, i, got)
		}
	}
}

func TestFollowFiltersAndEnds(t *testing.T) {
	log, db := open(t, event.Options{Poll: time.Hour})
	addN(t, log, db, 600) // more than one page, and most of it does not match
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []int64
	var end error
	for e, err := range log.Follow(ctx, 0, event.Filter{Server: "s3", Types: []string{"node.*"}}) {
		if err != nil {
			end = err
			break
		}
		if got = append(got, e.Seq); len(got) == 50 {
			add(t, log, db, event.Event{Type: "server.started", Server: "s3"}, event.Event{Type: "node.left", Server: "s3"})
		}
		if e.Type == "node.left" {
			cancel()
		}
	}
	if !errors.Is(end, context.Canceled) || len(got) != 51 || got[50] != 602 {
		t.Errorf("%d events, the last is %v, end %v; want 50 old ones, number 602, and the context's error", len(got), got[len(got)-1], end)
	}
	for _, err := range log.Follow(t.Context(), 0, event.Filter{Types: []string{"bad"}}) {
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("bad filter: %v", err)
		}
	}
}

func TestFollowFromNowOn(t *testing.T) {
	log, db := open(t, event.Options{Poll: time.Hour})
	addN(t, log, db, 5)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	started, got := make(chan struct{}), make(chan int64, 1)
	go func() {
		close(started)
		for e := range log.Follow(ctx, -1, event.Filter{}) {
			got <- e.Seq
			return
		}
	}()
	<-started
	for seq := int64(6); ; seq++ { // from now on: the first one after the follower has looked
		add(t, log, db, event.Event{Type: "node.left"})
		select {
		case first := <-got:
			if first < 6 || first > seq {
				t.Errorf("the first event is %d, want one of 6 to %d", first, seq)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestStateThenFollow reads the state and the head in one View: with what follows, nothing is missed or doubled.
func TestStateThenFollow(t *testing.T) {
	log, db := open(t, event.Options{})
	addN(t, log, db, 7)
	var head int64
	if err := db.View(t.Context(), func(tx store.Tx) (err error) { head, err = log.Head(tx); return err }); err != nil || head != 7 {
		t.Fatalf("head %d, %v", head, err)
	}
	addN(t, log, db, 1)
	for e, err := range log.Follow(t.Context(), head, event.Filter{}) {
		if err != nil || e.Seq != 8 {
			t.Errorf("first event after the state: %d, %v", e.Seq, err)
		}
		break
	}
}
