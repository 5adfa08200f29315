package fakehetzner_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
)

func inject(t *testing.T, c *fakehetzner.Cloud, r fakehetzner.Rule) {
	t.Helper()
	if _, err := c.Inject(r); err != nil {
		t.Fatal(err)
	}
}

func TestLostReplies(t *testing.T) {
	fake, c := start(t, fakehetzner.Options{})
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.LoseReply, On: "POST /servers", Times: 1})
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.LoseRequest, On: "POST /servers", Times: 1})
	ctx := t.Context()
	_, _, err := c.Server.Create(ctx, order("m"))
	if err == nil || errors.As(err, new(hcloud.Error)) {
		t.Fatalf("the reply came: %v", err)
	}
	if s, _, err := c.Server.GetByName(ctx, "m"); err != nil || s == nil {
		t.Fatalf("the work was not done: %v", err)
	}
	if _, _, err = c.Server.Create(ctx, order("m")); err == nil || errors.As(err, new(hcloud.Error)) {
		t.Fatalf("the second request was answered: %v", err)
	}
	_, _, err = c.Server.Create(ctx, order("m"))
	code(t, err, hcloud.ErrorCodeUniquenessError)
	if n := fake.Inventory().Counters; n.Done["POST /servers"] != 1 || n.Cut != 1 || n.Duplicates != 1 {
		t.Errorf("counted %+v", n)
	}
}

func TestErrorsOnDemand(t *testing.T) {
	fake, c := start(t, fakehetzner.Options{})
	ctx := t.Context()
	s := create(t, c, order("m"))
	for _, x := range []struct {
		rule   fakehetzner.Rule
		status int
		code   hcloud.ErrorCode
	}{
		{fakehetzner.Rule{Fault: fakehetzner.ErrorBefore}, 503, hcloud.ErrorCodeMaintenance},
		{fakehetzner.Rule{Fault: fakehetzner.ErrorBefore, Status: 500}, 500, hcloud.ErrorCodeServerError},
		{fakehetzner.Rule{Fault: fakehetzner.ErrorAfter}, 502, hcloud.ErrorCodeBadGateway},
		{fakehetzner.Rule{Fault: fakehetzner.ErrorAfter, Status: 504}, 504, hcloud.ErrorCodeTimeout},
		{fakehetzner.Rule{Fault: fakehetzner.TooMany}, 429, hcloud.ErrorCodeRateLimitExceeded},
		{fakehetzner.Rule{Fault: fakehetzner.Locked, On: "* /**"}, 423, hcloud.ErrorCodeLocked},
		{fakehetzner.Rule{Fault: fakehetzner.Conflict, On: "* /**"}, 409, hcloud.ErrorCodeConflict},
		{fakehetzner.Rule{Fault: fakehetzner.Refuse, Status: 403, Code: "forbidden"}, 403, hcloud.ErrorCodeForbidden},
	} {
		x.rule.Times = 1
		inject(t, fake, x.rule)
		_, resp, err := c.Server.GetByID(ctx, s.ID)
		code(t, err, x.code)
		if resp == nil || resp.StatusCode != x.status {
			t.Errorf("%s: status %v", x.rule.Fault, resp)
		}
		if got, _, err := c.Server.GetByID(ctx, s.ID); err != nil || got == nil {
			t.Errorf("after %s: %v", x.rule.Fault, err)
		}
	}
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.Locked, Times: 2})
	for range 2 {
		_, _, err := c.Server.DeleteWithResult(ctx, s)
		code(t, err, hcloud.ErrorCodeLocked)
	}
	if _, _, err := c.Server.DeleteWithResult(ctx, s); err != nil {
		t.Error(err)
	}
}

func TestHangs(t *testing.T) {
	for fault, there := range map[fakehetzner.Fault]bool{fakehetzner.Hang: false, fakehetzner.HangAfter: true} {
		fake, c := start(t, fakehetzner.Options{})
		inject(t, fake, fakehetzner.Rule{Fault: fault, On: "POST /servers"})
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, _, err := c.Server.Create(ctx, order("m"))
			failed <- err
		}()
		eventually(t, "the request came", func() bool { return fake.Inventory().Counters.Requests == 1 })
		select {
		case err := <-failed:
			t.Errorf("%s: it was answered: %v", fault, err)
		case <-time.After(20 * time.Millisecond):
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", fault, err)
		}
		if s, _, err := c.Server.GetByName(t.Context(), "m"); (s != nil) != there || err != nil {
			t.Errorf("after %s: %v, %v", fault, s, err)
		}
	}
}

func TestListsThatLag(t *testing.T) {
	for _, names := range []bool{false, true} {
		clk := newClock()
		fake, c := start(t, fakehetzner.Options{Clock: clk.Now})
		ctx := t.Context()
		old := create(t, c, order("old"))
		clk.Pass(time.Minute)
		inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.Lag, Delay: 30 * time.Second, Names: names})
		if _, _, err := c.Server.DeleteWithResult(ctx, old); err != nil {
			t.Fatal(err)
		}
		fresh := create(t, c, order("new"))
		list := func() string {
			got, err := c.Server.AllWithOpts(ctx, hcloud.ServerListOpts{ListOpts: hcloud.ListOpts{LabelSelector: "managed-by=payperplay"}})
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, s := range got {
				text += s.Name + " "
			}
			return text
		}
		if got := list(); got != "old " {
			t.Errorf("the list shows %q", got)
		}
		if s, _, err := c.Server.GetByID(ctx, fresh.ID); err != nil || s == nil {
			t.Errorf("by id: %v, %v", s, err)
		}
		if s, _, err := c.Server.GetByID(ctx, old.ID); err != nil || s != nil {
			t.Errorf("deleted, by id: %v, %v", s, err)
		}
		if s, _, err := c.Server.GetByName(ctx, "new"); err != nil || (s == nil) != names {
			t.Errorf("by name: %v, %v", s, err)
		}
		clk.Pass(30 * time.Second)
		if got := list(); got != "new " {
			t.Errorf("later the list shows %q", got)
		}
	}
}

func TestMachinesThatGoWrong(t *testing.T) {
	clk := newClock()
	fake, c := start(t, fakehetzner.Options{Clock: clk.Now})
	ctx := t.Context()
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.Vanish, Machine: "gone-*", Delay: time.Minute})
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.NeverJoin, Machine: "mute-*"})
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.SlowBoot, Machine: "slow-*", Delay: time.Hour})
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.NoStock, Type: "cx33", Times: 1})
	inject(t, fake, fakehetzner.Rule{Fault: fakehetzner.ActionFail, On: "POST /servers/*/actions/poweroff", Code: "broken"})
	gone := create(t, c, order("gone-1"))
	for _, name := range []string{"mute-1", "slow-1", "good-1"} {
		create(t, c, order(name))
	}
	o := order("late")
	o.ServerType.Name = "cx33"
	_, _, err := c.Server.Create(ctx, o)
	code(t, err, hcloud.ErrorCodeResourceUnavailable)
	create(t, c, o)
	for _, m := range fake.Inventory().Machines {
		if m.NeverJoin != (m.Name == "mute-1") || m.BootsAt.IsZero() != (m.Name != "slow-1") {
			t.Errorf("%s is %+v", m.Name, m)
		}
	}
	a, _, err := c.Server.Poweroff(ctx, gone)
	if err != nil {
		t.Fatal(err)
	}
	var failed hcloud.ActionError
	if err := c.Action.WaitFor(ctx, a); !errors.As(err, &failed) || failed.Code != "broken" {
		t.Errorf("powering off: %v", err)
	}
	if s, _, _ := c.Server.GetByID(ctx, gone.ID); s == nil || s.Status != hcloud.ServerStatusRunning {
		t.Errorf("after that it is %+v", s)
	}
	clk.Pass(time.Minute)
	if s, _, err := c.Server.GetByID(ctx, gone.ID); s != nil || err != nil {
		t.Errorf("it did not vanish: %v, %v", s, err)
	}
	if inv := fake.Inventory(); len(inv.Past) != 1 || inv.Past[0].Status != "vanished" {
		t.Errorf("past: %+v", inv.Past)
	}
}

func TestFaultsRepeatWithTheirSeed(t *testing.T) {
	story := func(seed uint64) string {
		_, c := start(t, fakehetzner.Options{Seed: seed, Limits: fakehetzner.Limits{Servers: 100}, Faults: fakehetzner.Faults{LoseReplies: 0.2, ErrorsBefore: 0.2, NoStock: 0.2}.Rules()})
		out := ""
		for i := range 30 {
			_, resp, err := c.Server.Create(t.Context(), order(fmt.Sprintf("m-%d", i)))
			switch {
			case err == nil:
				out += "."
			case resp == nil || resp.Response == nil:
				out += "x"
			default:
				out += fmt.Sprint(resp.StatusCode/100, resp.StatusCode%10)
			}
		}
		return out
	}
	first := story(7)
	if again := story(7); again != first {
		t.Errorf("the same seed gives %s and %s", first, again)
	}
	if other := story(8); other == first {
		t.Errorf("another seed gives the same: %s", other)
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	fake, _ := start(t, fakehetzner.Options{})
	for _, r := range []fakehetzner.Rule{
		{}, {Fault: "boom"}, {Fault: fakehetzner.LoseReply, Chance: 2}, {Fault: fakehetzner.Refuse}, {Fault: fakehetzner.Lag},
		{Fault: fakehetzner.LoseReply, On: "servers"},
	} {
		if _, err := fake.Inject(r); err == nil {
			t.Errorf("%+v is taken", r)
		}
		if _, err := fakehetzner.New(fakehetzner.Options{Faults: []fakehetzner.Rule{r}}); err == nil {
			t.Errorf("%+v is taken at the start", r)
		}
	}
}

func TestRateLimitAndTokens(t *testing.T) {
	clk := newClock()
	fake, err := fakehetzner.New(fakehetzner.Options{Clock: clk.Now, ReadOnlyToken: "look", Rate: fakehetzner.Rate{Burst: 5}})
	if err != nil {
		t.Fatal(err)
	}
	srv := serve(t, fake)
	ctx := t.Context()
	_, _, err = dial(srv, "wrong").Server.GetByID(ctx, 1)
	code(t, err, hcloud.ErrorCodeUnauthorized)
	ro := dial(srv, "look")
	if _, err := ro.Server.All(ctx); err != nil {
		t.Error(err)
	}
	_, _, err = ro.Server.Create(ctx, order("m"))
	code(t, err, "token_readonly")
	c := dial(srv, "fake-token")
	for range 4 {
		if _, resp, err := c.Location.List(ctx, hcloud.LocationListOpts{}); err != nil || resp.Meta.Ratelimit.Limit != 5 {
			t.Fatalf("%v, %+v", err, resp.Meta.Ratelimit)
		}
	}
	_, resp, err := c.Location.List(ctx, hcloud.LocationListOpts{})
	code(t, err, hcloud.ErrorCodeRateLimitExceeded)
	if m := resp.Meta.Ratelimit; resp.StatusCode != http.StatusTooManyRequests || m.Remaining != 0 || m.Reset.Sub(clk.Now()) != 5*time.Second {
		t.Errorf("status %d, %+v", resp.StatusCode, m)
	}
	clk.Pass(2 * time.Second)
	for range 2 {
		if _, _, err := c.Location.List(ctx, hcloud.LocationListOpts{}); err != nil {
			t.Error(err)
		}
	}
	_, _, err = c.Location.List(ctx, hcloud.LocationListOpts{})
	code(t, err, hcloud.ErrorCodeRateLimitExceeded)
	if n := fake.Inventory().Counters.RateLimited; n != 2 {
		t.Errorf("%d were counted", n)
	}
}
