package provision_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// TestF16NoRetryStorm: a provider that refuses by rate is asked as seldom as it says.
func TestF16NoRetryStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		for range 20 {
			w.cloud.next("create", fate{kind: cloud.RateLimited})
		}
		m := w.order(offer("small", "fsn1"))
		w.pass(5 * time.Minute)
		if n := w.cloud.count("create"); n < 5 || n > 20 {
			t.Errorf("%d calls in five minutes", n)
		}
		w.pass(15 * time.Minute)
		w.phase(m.ID, provision.Serving)
	})
}

// TestF17EveryKindOfRefusal: each kind of error leads where it should.
func TestF17EveryKindOfRefusal(t *testing.T) {
	for kind, want := range map[cloud.Kind]struct {
		phase provision.Phase
		kind  string // of the machine
		said  string // event
	}{
		cloud.NoStock:     {provision.Serving, "big", "scaling.order_refused"},
		cloud.Invalid:     {provision.Serving, "big", "scaling.order_refused"},
		cloud.Limit:       {provision.Gone, "small", "scaling.order_failed"},
		cloud.Denied:      {provision.Gone, "small", "scaling.order_failed"},
		cloud.RateLimited: {provision.Serving, "small", ""},
		cloud.Busy:        {provision.Serving, "small", ""},
		cloud.Unavailable: {provision.Serving, "small", ""},
		cloud.Uncertain:   {provision.Serving, "small", ""},
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 0)
				w.cloud.next("create", fate{kind: kind})
				m := w.order(offer("small", "fsn1"), offer("big", "nbg1"))
				w.pass(3 * time.Minute)
				m = w.phase(m.ID, want.phase)
				if m.Type != want.kind || want.said != "" && w.happened(want.said) != 1 {
					t.Errorf("%+v", m)
				}
				if want.phase == provision.Gone && (m.Problem == nil || m.Problem.Next == "" || len(m.Refused) != 1) {
					t.Errorf("it is not said what to do: %+v", m.Problem)
				}
			})
		})
	}
}

// TestF17FallbackAsksTheCaps: a candidate that would break the cap is not taken, and the last refusal ends the order.
func TestF17FallbackAsksTheCaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.limit(func(c *provision.Caps) { c.MaxPerDay = 24 * prices["small"] })
		w.cloud.byHand(func() { w.cloud.empty["small@fsn1"] = true })
		m := w.order(offer("small", "fsn1"), offer("huge", "fsn1"), offer("small", "nbg1"))
		w.pass(time.Minute)
		if m = w.phase(m.ID, provision.Serving); m.Type != "small" || m.At != "nbg1" {
			t.Errorf("%+v", m)
		}
		must(t, w.p.Release(t.Context(), "olga", m.ID, ""))
		w.pass(time.Minute)
		w.limit(func(c *provision.Caps) { c.MaxPerDay = 25 * prices["small"] })
		m = w.order(offer("small", "fsn1"), offer("huge", "fsn1"))
		w.pass(3 * time.Minute)
		if m = w.phase(m.ID, provision.Gone); m.Problem == nil || !strings.Contains(m.Problem.Message, "cap per day") {
			t.Errorf("%+v", m.Problem)
		}
	})
}

// TestF18CreateReplyLost: the order arrived and its answer did not, and reads lag: the machine is found under its name, and is the only one.
func TestF18CreateReplyLost(t *testing.T) {
	for name, lag := range map[string]time.Duration{"at once": 0, "late": 55 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 0)
				w.cloud.next("create", fate{kind: cloud.Uncertain, done: true})
				m := w.order(offer("small", "fsn1"))
				time.Sleep(time.Second)
				w.cloud.byHand(func() { w.cloud.all[0].lag = lag })
				w.pass(3 * time.Minute)
				m = w.phase(m.ID, provision.Serving)
				if n := w.cloud.made(); n != 1 || !m.Doubt {
					t.Errorf("%d machines were made", n)
				}
			})
		})
	}
}

// TestF18NeverArrived: the answer was lost and so was the order: it is sent again, under the same name, after two reads 30 s apart.
func TestF18NeverArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.cloud.next("create", fate{kind: cloud.Uncertain})
		m := w.order(offer("small", "fsn1"))
		w.pass(30 * time.Second)
		if n := w.cloud.count("create"); n != 1 {
			t.Errorf("%d orders within 30 s", n)
		}
		w.pass(time.Minute)
		if m = w.phase(m.ID, provision.Serving); w.cloud.alive()[0].m.Name != m.Name || w.cloud.count("create") != 2 {
			t.Errorf("%+v", m)
		}
	})
}

// TestF18ForeignName: a machine with our name that is not ours is never adopted and never deleted.
func TestF18ForeignName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.cloud.next("create", fate{kind: cloud.Unavailable})
		m := w.order(offer("small", "fsn1"))
		w.cloud.byHand(func() { w.cloud.add(cloud.Order{Name: m.Name, Type: "small"}, true) })
		w.pass(10 * time.Minute)
		if m = w.phase(m.ID, provision.Gone); m.Problem == nil || len(w.cloud.alive()) != 1 {
			t.Errorf("%+v", m)
		}
	})
}

// TestF19KilledAroundEachCall kills the controller at each place beside a call to the provider that changes something.
func TestF19KilledAroundEachCall(t *testing.T) {
	for _, point := range []string{
		"provision.create.before", "provision.create.after", "provision.delete.before", "provision.delete.after", "provision.remove.before", "provision.remove.after",
	} {
		t.Run(point, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 0)
				must(t, failpoint.Arm(point+"=error@1"))
				defer func() { must(t, failpoint.Arm("")) }()
				w.point.Store(&point)
				w.cloud.byHand(func() {
					w.cloud.things = []cloud.Thing{{Kind: cloud.ThingVolume, ID: "v", Labels: w.labels(), Created: time.Now().Add(-time.Hour)}}
				})
				m := w.order(offer("small", "fsn1"))
				for range 3 { // each time it goes on where it was killed
					w.pass(2 * time.Minute)
					if err := w.p.Release(t.Context(), "olga", m.ID, "enough"); err != nil && !errors.Is(err, errKilled) {
						t.Error(err)
					}
					w.pass(time.Minute)
					_, _ = w.p.Collect(t.Context(), "olga", false)
					if w.life.isDead() {
						w.crash()
						must(t, failpoint.Arm(""))
						w.point.Store(nil)
						w.start()
					}
				}
				w.phase(m.ID, provision.Gone)
				if n := w.cloud.made(); n != 1 || len(w.cloud.alive()) != 0 || len(w.cloud.things) != 0 {
					t.Errorf("%d machines were made, %d are there, %v", n, len(w.cloud.alive()), w.cloud.things)
				}
			})
		})
	}
}

func (w *world) labels() map[string]string {
	return map[string]string{cloud.LabelManagedBy: cloud.ManagedBy, cloud.LabelCluster: w.db.ClusterID()}
}

// TestF20LaggingReads: a list that lacks a machine, for as long as it likes, ends no machine.
func TestF20LaggingReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		time.Sleep(100 * time.Millisecond)
		w.cloud.byHand(func() { w.cloud.all[0].lag = 50 * time.Second }) // Get lags by 25 s
		w.pass(5 * time.Minute)
		m = w.phase(m.ID, provision.Serving)
		w.cloud.byHand(func() { w.cloud.all[0].unlisted = true })
		for range 20 { // and reads by id that say for half a minute that there is none
			for range 5 {
				w.cloud.next("get", fate{kind: cloud.NotFound})
			}
			w.cloud.next("get", fate{})
		}
		w.pass(10 * time.Minute)
		w.phase(m.ID, provision.Serving)
		if w.happened("scaling.machine_lost") != 0 {
			t.Error("it was called lost")
		}
		if n := w.cloud.count("get"); n < 60 {
			t.Errorf("it was asked for %d times only", n)
		}
	})
}

// TestF21Vanished: a machine that somebody else deletes is noticed, once it is sure, and its row ends.
func TestF21Vanished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		free, busy := w.order(offer("small", "fsn1")), w.order(offer("small", "fsn1"))
		w.pass(time.Minute)
		must(t, w.place("a", w.phase(busy.ID, provision.Serving).Node))
		w.cloud.byHand(func() {
			for _, r := range w.cloud.all {
				r.ended = time.Now()
			}
		})
		w.pass(20 * time.Second)
		w.phase(free.ID, provision.Serving)
		w.pass(time.Minute)
		free, busy = w.phase(free.ID, provision.Gone), w.phase(busy.ID, provision.Gone)
		if w.happened("scaling.machine_lost") != 2 || free.Problem == nil || !w.nodeOf(free).Revoked {
			t.Errorf("%+v", free)
		}
		if n := w.nodeOf(busy); n.Revoked || !n.Cordoned {
			t.Errorf("the node with a server: %+v", n)
		}
		must(t, w.sane())
	})
}

// TestF22NeverJoins: a machine that does not join is deleted and tried once more elsewhere; then it is said so, and nothing is bought.
func TestF22NeverJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.cloud.byHand(func() { w.cloud.mute = 1 })
		m := w.order(offer("small", "fsn1"), offer("big", "nbg1"))
		w.pass(24 * time.Minute)
		w.cloud.byHand(func() { w.cloud.mute = 0 })
		if m = w.machine(m.ID); !m.NeverJoined || m.Phase != provision.Gone {
			t.Errorf("%+v", m)
		}
		all, err := w.p.Machines(t.Context(), true)
		must(t, err)
		if len(all) != 2 || w.cloud.made() != 2 || len(w.cloud.alive()) != 0 || w.cloud.all[1].m.Location != "nbg1" {
			t.Errorf("%d rows, %d machines", len(all), w.cloud.made())
		}
		for _, x := range all {
			if x.ID != m.ID && x.Retry != m.ID {
				t.Errorf("%+v", x)
			}
		}
		if w.happened("scaling.machine_never_joined") != 2 {
			t.Error("it was not said")
		}
		req := provision.Request{Candidates: []provision.Candidate{offer("small", "fsn1")}}
		if _, err := w.p.Order(t.Context(), "autoscale", req); fault.KindOf(err) != fault.Precondition {
			t.Errorf("a third machine was ordered: %v", err)
		}
		req.Anyway = true
		x, err := w.p.Order(t.Context(), "olga", req)
		must(t, err)
		w.pass(time.Minute)
		w.phase(x.ID, provision.Serving)
		req.Anyway = false
		_, err = w.p.Order(t.Context(), "autoscale", req)
		must(t, err) // one has joined since
	})
}

// TestF22TheControllerWasAway: a machine that could not join because nobody was there gets its time.
func TestF22TheControllerWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		time.Sleep(5 * time.Second)
		w.crash()
		time.Sleep(15 * time.Minute)
		w.start()
		w.pass(time.Minute)
		w.phase(m.ID, provision.Serving)
	})
}

// TestUserDataFails: what cannot be sent is not sent, and the order ends with the reason.
func TestUserDataFails(t *testing.T) {
	for name, data := range map[string]func(provision.Machine, tunnel.Token) ([]byte, error){
		"error": func(provision.Machine, tunnel.Token) ([]byte, error) {
			return nil, fault.New(fault.Invalid, "no agent for arm64", "build one")
		},
		"long": func(provision.Machine, tunnel.Token) ([]byte, error) { return make([]byte, cloud.UserDataMax+1), nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 0, func(o *provision.Options) { o.UserData = data })
				m := w.order(offer("small", "fsn1"))
				w.pass(15 * time.Second)
				if m = w.phase(m.ID, provision.Gone); m.Problem == nil || m.Problem.Next == "" || w.cloud.count("create") != 0 || len(m.Refused) != 1 {
					t.Errorf("%+v", m)
				}
			})
		})
	}
}

// TestRecoveryFreezes: a store that may be older than the nodes deletes nothing, orders nothing and collects nothing.
func TestRecoveryFreezes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		time.Sleep(time.Second)
		w.cloud.byHand(func() {
			w.cloud.all[0].mute = true
			w.cloud.add(cloud.Order{Name: "lost", Labels: w.labels()}, true)
		})
		must(t, w.update(func(tx store.Tx) error {
			if _, err := tx.Next(store.RestoreSequence); err != nil {
				return err
			}
			return fleet.Restored(tx, w.events, time.Now())
		}))
		w.pass(30 * time.Minute)
		w.phase(m.ID, provision.Booting)
		if err := w.p.Release(t.Context(), "olga", m.ID, ""); fault.KindOf(err) != fault.Conflict {
			t.Errorf("released: %v", err)
		}
		if _, err := w.p.Order(t.Context(), "olga", provision.Request{Candidates: []provision.Candidate{offer("small", "fsn1")}}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("ordered: %v", err)
		}
		r, err := w.p.Collect(t.Context(), "olga", false)
		if must(t, err); len(w.cloud.alive()) != 2 || len(r.Things) != 1 || r.Things[0].Do != provision.GarbageLeave {
			t.Errorf("%+v", r)
		}
	})
}
