package storetest

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
	"pgregory.net/rapid"
)

// testModel runs random transactions against a map and compares after each one.
func testModel(t *testing.T, db store.DB) {
	rapid.Check(t, func(rt *rapid.T) {
		update(t, db, clearAll)
		m := map[string]Item{}
		rt.Repeat(map[string]func(*rapid.T){
			"commit":    func(rt *rapid.T) { m = transaction(rt, t, db, m, nil) },
			"roll back": func(rt *rapid.T) { transaction(rt, t, db, m, errStop) },
			"": func(rt *rapid.T) {
				if n := count(t, db); n != int64(len(m)) {
					rt.Fatalf("Count = %d, the model has %d", n, len(m))
				}
			},
			"walk": func(rt *rapid.T) { compareWalk(rt, t, db, m) },
		})
	})
}

var (
	genID   = rapid.StringMatching(`[a-c]{1,2}`)
	genText = rapid.SampledFrom([]string{"", "a", "aa", "a\x01", "b", "ä", "z"})
)

func genItem(rt *rapid.T) Item {
	return Item{
		ID: genID.Draw(rt, "id"), Name: genText.Draw(rt, "name"), Group: genText.Draw(rt, "group"),
		N: rapid.Int64Range(-3, 3).Draw(rt, "n"), At: time.Unix(rapid.Int64Range(-2, 2).Draw(rt, "at"), 0).UTC(), On: rapid.Bool().Draw(rt, "on"),
	}
}

// transaction draws its steps first, so that the closure can run twice, and returns the model after it.
func transaction(rt *rapid.T, t *testing.T, db store.DB, before map[string]Item, end error) map[string]Item {
	type step struct {
		put  bool
		item Item
	}
	steps := make([]step, rapid.IntRange(1, 5).Draw(rt, "steps"))
	for i := range steps {
		steps[i] = step{put: rapid.IntRange(0, 3).Draw(rt, "kind") > 0, item: genItem(rt)}
	}
	var after map[string]Item
	err := db.Update(t.Context(), func(tx store.Tx) error {
		after = map[string]Item{}
		for k, v := range before {
			after[k] = v
		}
		for _, s := range steps {
			if !s.put {
				delete(after, s.item.ID)
				if err := Items.Delete(tx, s.item.ID); err != nil {
					return err
				}
				continue
			}
			err := Items.Put(tx, s.item)
			if clash(after, s.item) {
				if !errors.Is(err, store.ErrConflict) {
					return errors.Join(errors.New("a clash was not refused"), err)
				}
				continue
			}
			if err != nil {
				return err
			}
			after[s.item.ID] = s.item
		}
		return end
	})
	if !errors.Is(err, end) {
		rt.Fatalf("Update = %v, want %v", err, end)
	}
	return after
}

func clash(m map[string]Item, v Item) bool {
	for k, other := range m {
		if k != v.ID && other.Name == v.Name && v.Name != "" {
			return true
		}
	}
	return false
}

// compareWalk draws a walk and compares it with a sorted slice.
func compareWalk(rt *rapid.T, t *testing.T, db store.DB, m map[string]Item) {
	index := rapid.SampledFrom([]string{"", "name", "grp", "n", "at", "is_on"}).Draw(rt, "index")
	field := func(v Item) (any, func(a, b Item) int, bool) {
		switch index {
		case "name":
			return v.Name, func(a, b Item) int { return cmp.Compare(a.Name, b.Name) }, v.Name != ""
		case "grp":
			return v.Group, func(a, b Item) int { return cmp.Compare(a.Group, b.Group) }, true
		case "n":
			return v.N, func(a, b Item) int { return cmp.Compare(a.N, b.N) }, true
		case "at":
			return v.At, func(a, b Item) int { return a.At.Compare(b.At) }, true
		case "is_on":
			return v.On, func(a, b Item) int { return cmp.Compare(fmtBool(a.On), fmtBool(b.On)) }, true
		}
		return v.ID, func(a, b Item) int { return cmp.Compare(a.ID, b.ID) }, true
	}
	_, compare, _ := field(Item{})
	lo, hi := genItem(rt), genItem(rt)
	from, _, useFrom := field(lo)
	to, _, useTo := field(hi)
	useFrom = useFrom && rapid.Bool().Draw(rt, "from")
	useTo = useTo && rapid.Bool().Draw(rt, "to")
	limit, reverse := rapid.IntRange(0, 4).Draw(rt, "limit"), rapid.Bool().Draw(rt, "reverse")
	var want []Item
	for _, v := range m {
		if _, _, in := field(v); in && (!useFrom || compare(v, lo) >= 0) && (!useTo || compare(v, hi) < 0) {
			want = append(want, v)
		}
	}
	slices.SortFunc(want, func(a, b Item) int { return cmp.Or(compare(a, b), cmp.Compare(a.ID, b.ID)) })
	if reverse {
		slices.Reverse(want)
	}
	if limit > 0 && len(want) > limit {
		want = want[:limit]
	}
	if !useFrom {
		from = nil
	}
	if !useTo {
		to = nil
	}
	var got []Item
	view(t, db, func(tx store.Tx) error {
		for v, err := range Items.Range(tx, index, from, to, limit, reverse) {
			if err != nil {
				return err
			}
			got = append(got, v)
		}
		return nil
	})
	same := slices.EqualFunc(got, want, func(a, b Item) bool {
		return a.ID == b.ID && a.Name == b.Name && a.Group == b.Group && a.N == b.N && a.At.Equal(b.At) && a.On == b.On
	})
	if !same {
		rt.Fatalf("Range(%q, %v, %v, %d, %v) = %v, want %v", index, from, to, limit, reverse, got, want)
	}
}

func fmtBool(b bool) int {
	if b {
		return 1
	}
	return 0
}
