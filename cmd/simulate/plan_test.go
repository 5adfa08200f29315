package simulate

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// plan is everything that is decided before a simulation begins. It comes from the seed alone.
type plan struct {
	Nodes     []nodeSpec
	Memory    []int64 // of each server, at its creation
	Rounds    []round
	DoubleRun bool // every transaction's closure runs twice
}

type nodeSpec struct {
	Memory int64
	CPUs   int
	Disk   int64
	Ports  int
}

// round is a time of orders and faults, after which everything must come to rest.
type round struct {
	Length time.Duration
	Orders []order
	Faults []mishap
}

// order is what a user wants at a time of the round.
type order struct {
	At     time.Duration
	User   int
	Do     string // create, start, stop, restart, kill, delete, set
	Server int
	Memory int64
	Lost   int // replies that get lost before one arrives
}

// mishap is what goes wrong at a time of the round, and for how long.
type mishap struct {
	At   time.Duration
	Kind string
	Node int
	For  time.Duration
	Arg  int // of the kind: a count, a server, a sign
}

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
)

func draw(seed uint64) plan {
	r := rnd(seed, "cluster")
	p := plan{DoubleRun: r.IntN(8) == 0}
	for range 2 + r.IntN(4) {
		p.Nodes = append(p.Nodes, nodeSpec{Memory: int64(2+r.IntN(4)) * gib, CPUs: 2 + r.IntN(3), Disk: int64(40+r.IntN(40)) * gib, Ports: 4 + r.IntN(8)})
	}
	for range 3 + r.IntN(10) {
		p.Memory = append(p.Memory, memory(r))
	}
	for i := range 2 {
		p.Rounds = append(p.Rounds, drawRound(seed, i, p))
	}
	return p
}

func memory(r *rand.Rand) int64 { return int64(2+r.IntN(7)) * 256 * mib }

func drawRound(seed uint64, i int, p plan) round {
	r := rnd(seed, "round", i)
	out := round{Length: time.Duration(60+r.IntN(60)) * time.Second}
	within := func() time.Duration {
		return time.Duration(r.Int64N(int64(out.Length))).Round(time.Millisecond)
	}
	if i == 0 { // most servers come and run early, so that there is something to lose
		for s := range p.Memory {
			o := order{At: time.Duration(r.IntN(12000)) * time.Millisecond, User: r.IntN(users), Do: "create", Server: s, Memory: p.Memory[s], Lost: lost(r)}
			out.Orders = append(out.Orders, o)
			if r.IntN(6) > 0 {
				o.Do, o.At, o.User, o.Lost = "start", o.At+time.Duration(r.IntN(3000))*time.Millisecond, r.IntN(users), lost(r)
				out.Orders = append(out.Orders, o)
			}
		}
	}
	verbs := []string{"start", "start", "start", "stop", "stop", "restart", "kill", "set", "set", "delete", "create"}
	for range 4 + r.IntN(3*len(p.Memory)) {
		o := order{At: within(), User: r.IntN(users), Do: verbs[r.IntN(len(verbs))], Server: r.IntN(len(p.Memory)), Memory: memory(r), Lost: lost(r)}
		out.Orders = append(out.Orders, o)
		for range r.IntN(3) { // orders come in quick succession, also from others
			o.Do, o.User, o.At = verbs[r.IntN(len(verbs))], r.IntN(users), o.At+time.Duration(r.IntN(1500))*time.Millisecond
			out.Orders = append(out.Orders, o)
		}
	}
	slices.SortStableFunc(out.Orders, func(a, b order) int { return cmp.Compare(a.At, b.At) })
	kinds := kinds()
	for range 3 + r.IntN(7) {
		k := kinds[r.IntN(len(kinds))]
		k = favoured(r, kinds, k)
		out.Faults = append(out.Faults, k.draw(r, p, within()))
	}
	out.Faults = append(out.Faults, drawClocks(seed, i, p, out.Length)...)
	slices.SortStableFunc(out.Faults, func(a, b mishap) int { return cmp.Compare(a.At, b.At) })
	return out
}

func lost(r *rand.Rand) int { return max(0, r.IntN(6)-4) }

// favoured is k or, every second time, the kind that brings the planted bug to light best.
func favoured(r *rand.Rand, kinds []kind, k kind) kind {
	at := slices.IndexFunc(kinds, func(k kind) bool { return k.name == favourite() })
	if at < 0 || r.IntN(2) > 0 {
		return k
	}
	return kinds[at]
}

type kind struct {
	name     string
	min, max time.Duration
}

// kinds are the faults that there are; one that is listed twice comes twice as often.
func kinds() []kind {
	const s = time.Second
	return []kind{
		{"agent-crash", s, 20 * s}, {"agent-crash", s, 20 * s},
		{"agent-crash-at-io", s, 20 * s}, {"agent-crash-at-io", s, 20 * s},
		{"machine-death", 5 * s, 60 * s}, {"machine-death", 5 * s, 60 * s},
		{"partition", 2 * s, 90 * s}, {"partition", 2 * s, 90 * s},
		{"blind", 5 * s, 120 * s},
		{"pause", 2 * s, 40 * s},
		{"slow", 10 * s, 60 * s},
		{"cut", 0, 0},
		{"lose-replies", 20 * s, 60 * s}, {"lose-replies", 20 * s, 60 * s},
		{"double", 20 * s, 60 * s}, {"double", 20 * s, 60 * s},
		{"clone", 5 * s, 40 * s},
		{"clock", 20 * s, 90 * s},
		{"node-disk-full", 5 * s, 40 * s},
		{"store-disk-full", 3 * s, 30 * s},
		{"store-fails", 10 * s, 30 * s},
		{"controller-crash", s, 20 * s}, {"controller-crash", s, 20 * s},
		{"controller-crash-at-commit", s, 20 * s}, {"controller-crash-at-commit", s, 20 * s},
		{"controller-restart", s, 10 * s},
		{"takeover", 5 * s, 40 * s}, {"takeover", 5 * s, 40 * s},
		{"game-crash", 0, 0}, {"game-crash", 0, 0},
		{"game-oom", 0, 0},
		{"engine-hangs", 5 * s, 30 * s},
		{"lie", 0, 0},
	}
}
