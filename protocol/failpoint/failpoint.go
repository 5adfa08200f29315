// Package failpoint lets tests break the product at a named place: before and after every fsync and every call.
//
// It is off unless Arm was called: Hit then costs one atomic load. Armed points come from a plan such as
//
//	state.grant.before=kill; rpc.call.after=error; volume.identity.before=kill@3; hello.before=sleep:200ms
//
// where kill ends the process at once as SIGKILL would, error makes Hit return ErrInjected, sleep delays,
// and "@n" means the n-th time the point is passed (1 is the first; without it, every time).
package failpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrInjected is what Hit returns at a point that was armed with "error".
var ErrInjected = errors.New("injected failure")

// EnvPlan is the environment variable that the daemons' wiring hands to Arm.
const EnvPlan = "PPP_FAILPOINTS"

type point struct {
	action string
	delay  time.Duration
	at     int
	seen   int
}

type plan struct {
	mu     sync.Mutex
	points map[string]*point
	passed map[string]int
}

var armed atomic.Pointer[plan]

// Arm replaces the plan; the empty text turns everything off. A plan that cannot be read changes nothing.
func Arm(text string) error {
	if strings.TrimSpace(text) == "" {
		armed.Store(nil)
		return nil
	}
	p := &plan{points: map[string]*point{}, passed: map[string]int{}}
	for _, entry := range strings.Split(text, ";") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, pt, err := parse(entry)
		if err != nil {
			return err
		}
		p.points[name] = pt
	}
	armed.Store(p)
	return nil
}

func parse(entry string) (string, *point, error) {
	name, action, ok := strings.Cut(entry, "=")
	if !ok || name == "" {
		return "", nil, fmt.Errorf("failpoint %q: want NAME=kill|error|sleep:DURATION|count, optionally @N", entry)
	}
	pt := &point{}
	if head, n, has := strings.Cut(action, "@"); has {
		at, err := strconv.Atoi(n)
		if err != nil || at < 1 {
			return "", nil, fmt.Errorf("failpoint %q: %q is not a count of 1 or more", entry, n)
		}
		action, pt.at = head, at
	}
	if d, has := strings.CutPrefix(action, "sleep:"); has {
		delay, err := time.ParseDuration(d)
		if err != nil {
			return "", nil, fmt.Errorf("failpoint %q: %w", entry, err)
		}
		action, pt.delay = "sleep", delay
	}
	switch action {
	case "kill", "error", "sleep", "count":
		pt.action = action
		return name, pt, nil
	default:
		return "", nil, fmt.Errorf("failpoint %q: unknown action %q", entry, action)
	}
}

// Hit marks that the code passed the named place. It returns nil unless a plan says otherwise.
func Hit(name string) error {
	p := armed.Load()
	if p == nil {
		return nil
	}
	return p.hit(name)
}

func (p *plan) hit(name string) error {
	p.mu.Lock()
	p.passed[name]++
	pt := p.points[name]
	if pt == nil {
		p.mu.Unlock()
		return nil
	}
	pt.seen++
	due := pt.at == 0 || pt.at == pt.seen
	p.mu.Unlock()
	if !due {
		return nil
	}
	switch pt.action {
	case "kill":
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	case "sleep":
		<-time.After(pt.delay)
	case "error":
		return fmt.Errorf("%w at %s", ErrInjected, name)
	}
	return nil
}

// Passed tells how often each place was passed since Arm, so that a test can find the places it has to break.
func Passed() map[string]int {
	out := map[string]int{}
	p := armed.Load()
	if p == nil {
		return out
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, n := range p.passed {
		out[name] = n
	}
	return out
}
