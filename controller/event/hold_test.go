package event

import "testing"

func TestHeld(t *testing.T) {
	const none = int64(1)<<62 - 1
	for name, test := range map[string]struct{ first, end, young, surplus, limit, want int64 }{
		"nothing is old, none too many":       {1, 101, 1, -900, none, 0},
		"old, nobody holds":                   {1, 101, 51, -900, none, 50},
		"old, all passed by the cursor":       {1, 101, 51, -900, 60, 0},
		"old, the cursor has done 20":         {1, 101, 51, -900, 20, 30},
		"old, the cursor has done nothing":    {1, 101, 51, -900, 0, 50},
		"too many, the cursor is behind":      {1, 101, 1, 40, 10, 30},
		"old and too many: the larger counts": {1, 101, 31, 40, 10, 30},
		"the newest is never held":            {1, 101, 101, 0, 0, 99},
		"trimmed up to the cursor":            {21, 101, 51, 0, 20, 30},
		"one event":                           {7, 8, 8, 0, 0, 0},
	} {
		want := test.want
		if test.limit == none {
			want = 0 // trimmed at once, so never held
		}
		if got := held(test.first, test.end, test.young, test.surplus, test.limit); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
