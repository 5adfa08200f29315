package store_test

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
)

type pet struct {
	Name  string `json:"name"`
	Age   int    `json:"age"`
	Likes []int  `json:"likes,omitempty"`
}

var pets = store.Table[pet]{Name: "pets", Key: func(p pet) string { return p.Name }}

// TestMemo: whatever changes between two walks, a memo gives what a walk without one gives, and what it gave before stays as it was.
func TestMemo(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), bolt.Options{Tables: []store.TableDef{pets.Def()}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	memo := pets.Memo()
	var before, kept map[string]pet
	for step := range 150 {
		change := func(tx store.Tx) error {
			for range dice.IntN(3) {
				p := pet{Name: string(rune('a' + dice.IntN(5))), Age: dice.IntN(3), Likes: make([]int, dice.IntN(3))}
				if dice.IntN(3) == 0 {
					if err := pets.Delete(tx, p.Name); err != nil {
						return err
					}
				} else if err := pets.Put(tx, p); err != nil {
					return err
				}
			}
			return nil
		}
		if err := db.Update(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		got, plain := map[string]pet{}, map[string]pet{}
		err := db.View(t.Context(), func(tx store.Tx) (err error) {
			for p, err := range pets.Range(tx, "", nil, nil, 0, false) {
				if err != nil {
					return err
				}
				plain[p.Name] = p
			}
			got, err = memo.All(tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d, step %d: rows and memo differ: %s", seed, step, diff)
		}
		if diff := cmp.Diff(kept, before); diff != "" {
			t.Fatalf("seed %d, step %d: an answer that was given has changed: %s", seed, step, diff)
		}
		before, kept = got, maps.Clone(got)
	}
}
