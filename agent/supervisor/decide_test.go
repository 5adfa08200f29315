package supervisor

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

func TestDecide(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ages := map[*docker.Container]time.Duration{}
	running := func(age time.Duration) *docker.Container {
		c := &docker.Container{ID: "c1", Running: true, Status: "running", Epoch: 2, Attempt: 1}
		ages[c] = age
		return c
	}
	exited := &docker.Container{ID: "c1", Status: "exited", Epoch: 2, Attempt: 1}
	row := func(change func(*state.Server)) state.Server {
		s := state.Server{Spec: protocol.Spec{Server: "s", Stop: protocol.StopRule{Command: "stop", GraceSeconds: 30}}, Grant: protocol.Grant{Epoch: 2, Boot: "b"},
			Want: state.WantRun, Attempt: 1, Observed: protocol.Observed{State: protocol.StateRunning, Container: "c1", Ready: now.Add(-time.Hour)}}
		if change != nil {
			change(&s)
		}
		return s
	}
	order := func(ago time.Duration, change func(*state.StopOrder)) func(*state.Server) {
		return func(s *state.Server) {
			s.Want, s.Stop = state.WantStop, &state.StopOrder{At: now.Add(-ago), Grace: 30}
			if change != nil {
				change(s.Stop)
			}
		}
	}
	starting := func(s *state.Server) { s.Observed.State, s.Observed.Ready = protocol.StateStarting, time.Time{} }
	closed := func(s *state.Server) { s.Closed, s.Observed.State = 1, protocol.StateCrashed }
	both := func(fs ...func(*state.Server)) func(*state.Server) {
		return func(s *state.Server) {
			for _, f := range fs {
				f(s)
			}
		}
	}
	for name, c := range map[string]struct {
		row  state.Server
		c    *docker.Container
		logs bool
		want step
		wait time.Duration
	}{
		"runs as it should":             {row(nil), running(time.Hour), false, doNothing, safetyLook},
		"starts: ask the game":          {row(starting), running(2 * time.Second), false, doProbe, 100 * time.Millisecond},
		"starts too long":               {row(starting), running(601 * time.Second), false, doTimeout, 0},
		"starts, pattern not seen":      {row(both(starting, func(s *state.Server) { s.Spec.Ready.LogPattern = "x" })), running(time.Second), false, doNothing, time.Second},
		"starts, pattern seen":          {row(both(starting, func(s *state.Server) { s.Spec.Ready.LogPattern = "x" })), running(time.Second), true, doProbe, 50 * time.Millisecond},
		"runs under an older epoch":     {row(func(s *state.Server) { s.Grant.Epoch = 3 }), running(time.Hour), false, doReplaced, 0},
		"runs but the row forgot":       {row(func(s *state.Server) { s.Observed.Container = "" }), running(time.Second), false, doAdopt, 0},
		"runs although crashed":         {row(func(s *state.Server) { s.Observed.State = protocol.StateCrashed }), running(time.Second), false, doAdopt, 0},
		"crashed just now":              {row(nil), exited, false, doEnded, 0},
		"vanished":                      {row(nil), nil, false, doEnded, 0},
		"crashed, waits":                {row(both(closed, func(s *state.Server) { s.Observed.Retry = now.Add(3 * time.Second) })), exited, false, doNothing, 3 * time.Second},
		"crashed, time to try":          {row(closed), exited, false, doLaunch, 0},
		"crashed, gave up":              {row(both(closed, func(s *state.Server) { s.GaveUp = true })), exited, false, doNothing, safetyLook},
		"rebooted":                      {row(both(closed, func(s *state.Server) { s.Grant.Boot = "old" })), exited, false, doDead, 0},
		"rebooted, noted":               {row(func(s *state.Server) { closed(s); s.Grant.Boot, s.Observed.State = "old", protocol.StateAbsent }), nil, false, doNothing, safetyLook},
		"died between start and note":   {row(both(starting, func(s *state.Server) { s.Observed.Container = "" })), exited, false, doEnded, 0},
		"died between make and start":   {row(both(starting, func(s *state.Server) { s.Observed.Container = "" })), &docker.Container{ID: "c1", Status: "created", Attempt: 1}, false, doLaunch, 0},
		"stop: first words":             {row(order(0, nil)), running(time.Hour), false, doAsk, 0},
		"stop: waits for the game":      {row(order(5*time.Second, func(o *state.StopOrder) { o.Asked = true })), running(time.Hour), false, doNothing, 15 * time.Second},
		"stop: SIGTERM":                 {row(order(20*time.Second, func(o *state.StopOrder) { o.Asked = true })), running(time.Hour), false, doTerm, 0},
		"stop: waits after SIGTERM":     {row(order(21*time.Second, func(o *state.StopOrder) { o.Asked, o.Term = true, true })), running(time.Hour), false, doNothing, 9 * time.Second},
		"stop: SIGKILL":                 {row(order(30*time.Second, func(o *state.StopOrder) { o.Asked, o.Term = true, true })), running(time.Hour), false, doKill, 2 * time.Second},
		"stop while it starts: no talk": {row(both(starting, order(0, nil))), running(time.Second), false, doTerm, 0},
		"stop, ended":                   {row(order(3*time.Second, nil)), exited, false, doSettle, 0},
		"stop, already down":            {row(both(closed, func(s *state.Server) { s.Want, s.Observed.State = state.WantStop, protocol.StateStopped })), exited, false, doNothing, safetyLook},
		"kill":                          {row(func(s *state.Server) { s.Want = state.WantKill }), running(time.Hour), false, doKill, 2 * time.Second},
		"killed":                        {row(func(s *state.Server) { s.Want = state.WantKill }), exited, false, doSettle, 0},
		"remove: end it first":          {row(both(order(0, nil), func(s *state.Server) { s.Want, s.Volume = state.WantGone, protocol.VolumeDelete })), running(time.Hour), false, doTerm, 0},
		"quarantine: save first":        {row(both(order(0, nil), func(s *state.Server) { s.Want, s.Volume = state.WantGone, protocol.VolumeQuarantine })), running(time.Hour), false, doAsk, 0},
		"removed":                       {row(func(s *state.Server) { s.Want = state.WantGone }), exited, false, doGone, 0},
		"agent ends a late start":       {row(func(s *state.Server) { starting(s); s.Stop = &state.StopOrder{At: now, Grace: 30, Failed: "late"} }), running(time.Second), false, doTerm, 0},
		"adopted without a grant":       {row(func(s *state.Server) { s.Grant.Boot, s.Observed = "", protocol.Observed{State: protocol.StateAbsent} }), running(time.Hour), false, doAdopt, 0},
	} {
		got := decide(view{Row: c.row, Boot: "b", C: c.c, Age: ages[c.c], LogReady: c.logs}, now)
		if got.do != c.want || got.wait != c.wait {
			t.Errorf("%s: %s after %s, want %s after %s", name, got.do, got.wait, c.want, c.wait)
		}
	}
}

func TestRetry(t *testing.T) {
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 5: 16 * time.Second} {
		got, again := retry(protocol.RestartRule{}, n, 0.5)
		if !again || got != want {
			t.Errorf("end %d: %s %v", n, got, again)
		}
	}
	if _, again := retry(protocol.RestartRule{}, 6, 0); again {
		t.Error("a sixth end is tried again")
	}
	if _, again := retry(protocol.RestartRule{Max: -1}, 1, 0); again {
		t.Error("never means never")
	}
	for _, chance := range []float64{0, 0.999} {
		if got, _ := retry(protocol.RestartRule{Max: 100}, 60, chance); got < 48*time.Second || got > 72*time.Second {
			t.Errorf("the longest pause is %s", got)
		}
	}
	now := time.Now()
	if got := within([]time.Time{now.Add(-601 * time.Second), now.Add(-599 * time.Second), now}, 600*time.Second, now); len(got) != 2 {
		t.Error(got)
	}
}

func TestPlayerEvent(t *testing.T) {
	for text, want := range map[string]string{
		"[21:25:00] [Server thread/INFO]: bob joined the game":                  "+bob",
		"[21:25:00 INFO]: bob_2 left the game":                                  "-bob_2",
		"\x1b[33m[21:25:00 INFO]: .Bedrock1 joined the game\x1b[m":              "+.Bedrock1",
		"bob joined the game":                                                   "+bob",
		"[21:25:00] [Server thread/INFO]: <eve> bob joined the game":            "",
		"[21:25:00] [Server thread/INFO]: [Server] bob joined the game":         "",
		"[21:25:00] [Server thread/INFO]: * eve bob joined the game":            "",
		"[21:25:00] [Server thread/INFO]: bob joined the game and left again":   "",
		"[21:25:00] [Server thread/INFO]: [Not Secure] <eve> bob left the game": "",
	} {
		name, in, ok := playerEvent(text)
		got := ""
		if ok {
			got = map[bool]string{true: "+", false: "-"}[in] + name
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestParseTPS(t *testing.T) {
	for text, want := range map[string]float64{
		"TPS from last 1m, 5m, 15m: 20.0, 19.9, 20.0":        20,
		"§6TPS from last 1m, 5m, 15m: §a*19.98, §a20.0":      19.98,
		"Overall: Mean tick time: 12.1 ms. Mean TPS: 18.500": 18.5,
		"Unknown command": -1,
		"":                -1,
	} {
		if got := parseTPS(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestAnnouncement(t *testing.T) {
	if got := announcement("say stops in %d s", 5, "maintenance\nop eve"); got != "say stops in 5 s: maintenance op eve" {
		t.Error(got)
	}
}

func TestAdviceHasANextStep(t *testing.T) {
	for _, e := range []protocol.Exit{{OOM: true}, {Code: -1}, {Code: 0}, {Code: 1}, {Code: 137}, {Code: 139}, {Code: 127}} {
		if advice(e, 1<<30) == "" {
			t.Errorf("%+v", e)
		}
	}
}

func TestParseList(t *testing.T) {
	got := parseList("There are 2 of a max of 20 players online: bob, §aalice_1")
	if len(got) != 2 || !got["bob"] || !got["alice_1"] {
		t.Error(got)
	}
	if got := parseList("There are 0 of a max of 20 players online: "); got == nil || len(got) != 0 {
		t.Error(got)
	}
	if got := parseList("Unknown command"); got != nil {
		t.Error(got)
	}
}
