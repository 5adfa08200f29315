package fakehetzner

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Fault is a way to go wrong.
type Fault string

// The faults. Those of a request shape its reply; the first rule that fires counts.
const (
	LoseReply   Fault = "lose-reply"   // the work is done, then the connection is cut
	LoseRequest Fault = "lose-request" // the connection is cut, and nothing was done
	ErrorBefore Fault = "error-before" // 5xx (Status, default 503), and nothing was done
	ErrorAfter  Fault = "error-after"  // the work is done, then 5xx (Status, default 502)
	Hang        Fault = "hang"         // nothing is done and nothing answered until the client goes away
	HangAfter   Fault = "hang-after"   // the same, but the work is done
	TooMany     Fault = "too-many"     // 429 rate_limit_exceeded
	Locked      Fault = "locked"       // 423
	Conflict    Fault = "conflict"     // 409
	Refuse      Fault = "refuse"       // Status and Code, nothing done
	Lag         Fault = "lag"          // a list shows what was Delay ago: without the new, with the deleted

	NoStock    Fault = "no-stock"    // POST /servers of Type at Location (empty = any): resource_unavailable
	ActionFail Fault = "action-fail" // the action that the request starts ends as an error, with Code
	SlowBoot   Fault = "slow-boot"   // a new machine is on for the API, but nothing runs on it for Delay
	NeverJoin  Fault = "never-join"  // a new machine is on, and nothing ever runs on it
	Vanish     Fault = "vanish"      // a new machine is gone Delay after it was ordered, without a word
)

// Rule says when a fault happens.
type Rule struct {
	Fault    Fault
	On       string        // "POST /servers", "GET /servers/*", "DELETE /**", "* /actions"; empty = wherever the fault makes sense
	Machine  string        // faults of new machines, NoStock: a pattern (path.Match) of names; empty = all
	Type     string        // NoStock
	Location string        // NoStock
	Chance   float64       // 0 = always
	Skip     int           // lets that many pass first
	Times    int           // happens that often at most; 0 = without end
	Delay    time.Duration // Lag, SlowBoot, Vanish
	Names    bool          // Lag: lists filtered by name lag too
	Status   int           // ErrorBefore, ErrorAfter, Refuse
	Code     string        // Refuse, ActionFail: the API's word
}

// RuleInfo is a rule in force and how often it has happened.
type RuleInfo struct {
	ID   int
	Rule Rule
	Hits int
}

type ruleState struct {
	RuleInfo
	seen int // requests it would have fitted
}

// Faults are the usual chances in one struct, for command lines and configuration.
type Faults struct {
	LoseReplies, LoseRequests, ErrorsBefore, ErrorsAfter, Hangs, TooMany, Conflicts, ActionFails, NoStock float64 // of each request that changes something
	NeverJoin, SlowBoots, Vanish                                                                          float64 // of new machines
	BootDelay, VanishAfter                                                                                time.Duration
	ListLag                                                                                               time.Duration // of all lists; 0 = none
	LagNames                                                                                              bool
}

// Rules gives them as rules.
func (f Faults) Rules() []Rule {
	var out []Rule
	add := func(chance float64, r Rule) {
		if chance > 0 {
			r.Chance = chance
			out = append(out, r)
		}
	}
	const change = "POST,PUT,DELETE /**"
	add(f.LoseReplies, Rule{Fault: LoseReply, On: change})
	add(f.LoseRequests, Rule{Fault: LoseRequest, On: change})
	add(f.ErrorsBefore, Rule{Fault: ErrorBefore, On: change})
	add(f.ErrorsAfter, Rule{Fault: ErrorAfter, On: change})
	add(f.Hangs, Rule{Fault: Hang, On: change})
	add(f.TooMany, Rule{Fault: TooMany})
	add(f.Conflicts, Rule{Fault: Conflict})
	add(f.ActionFails, Rule{Fault: ActionFail})
	add(f.NoStock, Rule{Fault: NoStock})
	add(f.NeverJoin, Rule{Fault: NeverJoin})
	add(f.SlowBoots, Rule{Fault: SlowBoot, Delay: f.BootDelay})
	add(f.Vanish, Rule{Fault: Vanish, Delay: f.VanishAfter})
	if f.ListLag > 0 {
		out = append(out, Rule{Fault: Lag, Delay: f.ListLag, Names: f.LagNames})
	}
	return out
}

// Inject puts a rule in force, after those that are, and gives its id. A rule that makes no sense is refused.
func (c *Cloud) Inject(r Rule) (int, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inject(r), nil
}

func (c *Cloud) inject(r Rule) int {
	c.lastRule++
	c.rules = append(c.rules, &ruleState{RuleInfo: RuleInfo{ID: c.lastRule, Rule: r}})
	return c.lastRule
}

// Lift ends rules by their ids, all of them without any.
func (c *Cloud) Lift(ids ...int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = slices.DeleteFunc(c.rules, func(r *ruleState) bool { return len(ids) == 0 || slices.Contains(ids, r.ID) })
}

// Injected lists the rules in force and how often each has happened.
func (c *Cloud) Injected() []RuleInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []RuleInfo{}
	for _, r := range c.rules {
		out = append(out, r.RuleInfo)
	}
	return out
}

// where a fault happens if its rule does not say.
func (f Fault) where() string {
	switch f {
	case NoStock, SlowBoot, NeverJoin, Vanish:
		return "POST /servers"
	case Lag:
		return "GET /*"
	case Locked:
		return "POST,PUT,DELETE /*/**"
	case Conflict, ActionFail:
		return "POST,PUT,DELETE /**"
	case LoseReply, LoseRequest, ErrorBefore, ErrorAfter, Hang, HangAfter, TooMany, Refuse:
	}
	return "* /**"
}

func (r Rule) check() error {
	switch r.Fault {
	case LoseReply, LoseRequest, ErrorBefore, ErrorAfter, Hang, HangAfter, TooMany, Locked, Conflict, Refuse, Lag, NoStock, ActionFail, SlowBoot, NeverJoin, Vanish:
	default:
		return fmt.Errorf("fakehetzner: there is no fault %q", r.Fault)
	}
	switch {
	case r.Chance < 0 || r.Chance > 1:
		return fmt.Errorf("fakehetzner: a chance of %v is not between 0 and 1", r.Chance)
	case r.Fault == Refuse && (r.Status < 400 || r.Code == ""):
		return fmt.Errorf("fakehetzner: a refusal needs a status of 400 or more, and a code")
	case (r.Fault == Lag || r.Fault == SlowBoot) && r.Delay <= 0:
		return fmt.Errorf("fakehetzner: %s needs a delay", r.Fault)
	case r.On != "" && !strings.Contains(r.On, " /"):
		return fmt.Errorf("fakehetzner: %q is not like \"POST /servers\"", r.On)
	}
	return nil
}

// fits tells whether a rule is about such a request; the path is without /v1.
func (r Rule) fits(method, urlPath string) bool {
	on := r.On
	if on == "" {
		on = r.Fault.where()
	}
	methods, pattern, _ := strings.Cut(on, " ")
	if methods != "*" && !slices.Contains(strings.Split(methods, ","), method) {
		return false
	}
	if head, deep := strings.CutSuffix(pattern, "/**"); deep {
		n := strings.Count(head, "/")
		parts := strings.Split(urlPath, "/")
		if len(parts) < n+2 {
			return false
		}
		pattern, urlPath = head, strings.Join(parts[:n+1], "/")
	}
	ok, err := path.Match(pattern, urlPath)
	return err == nil && ok
}

// draw tells whether a rule happens now that it fits. Only rules with a chance use up the seed.
func (c *Cloud) draw(r *ruleState) bool {
	if r.Rule.Times > 0 && r.Hits >= r.Rule.Times {
		return false
	}
	r.seen++
	if r.seen <= r.Rule.Skip {
		return false
	}
	if p := r.Rule.Chance; p > 0 && p < 1 && c.rand.Float64() >= p {
		return false
	}
	r.Hits++
	return true
}

// first gives the first rule of one of the faults that happens to a request, nil for none.
func (c *Cloud) first(method, urlPath string, also func(Rule) bool, faults ...Fault) *Rule {
	for _, r := range c.rules {
		if slices.Contains(faults, r.Rule.Fault) && r.Rule.fits(method, urlPath) && (also == nil || also(r.Rule)) && c.draw(r) {
			return &r.Rule
		}
	}
	return nil
}

// named tells whether a rule is about a machine of that name.
func (r Rule) named(name string) bool {
	ok, err := path.Match(r.Machine, name)
	return r.Machine == "" || err == nil && ok
}
