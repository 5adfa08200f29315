package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Firewall keeps two chains of this node's own: what a server's container may open towards the machine (nothing), and what it may open
// through it (the Internet, but not the cloud's metadata, the private network or another server). Answers to what others opened always pass.
type Firewall struct {
	chain   string // "PPP-" and the node's tag
	bridges string // beginning of the names of our bridges
	log     *slog.Logger
	changed chan struct{}

	mu      sync.Mutex
	problem error
	text    string // the rules as they were put in place last
}

// reassert is how often the rules are put in place again: a reload of the host's firewall or of Docker drops them.
const reassert = 30 * time.Second

// forbidden is where no container may open a connection to.
var forbidden = []string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
}

// NewFirewall names the chains after the node's tag.
func NewFirewall(tag, bridges string, log *slog.Logger) *Firewall {
	return &Firewall{chain: "PPP-" + tag, bridges: bridges, log: log, changed: make(chan struct{}, 1), problem: errors.New("not set up yet")}
}

// Changed has a value when rules were put in place that were not there before; it has one reader.
func (f *Firewall) Changed() <-chan struct{} { return f.changed }

// Run asserts the rules until ctx ends. They stay when it ends: games run on, so does their fence.
func (f *Firewall) Run(ctx context.Context) {
	tick := time.NewTicker(reassert)
	defer tick.Stop()
	for {
		if err := f.Assert(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("firewall rules are not in place", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Problem says why containers are not fenced off; nil when they are.
func (f *Firewall) Problem() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem
}

// Assert puts the rules in place, in one step each, whatever was there.
func (f *Firewall) Assert(ctx context.Context) error {
	err := f.assert(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.mu.Lock()
	f.problem = err
	f.mu.Unlock()
	return err
}

func (f *Firewall) assert(ctx context.Context) error {
	if _, err := exec.LookPath("iptables"); err != nil {
		return errors.New("iptables is not installed: apt-get install iptables")
	}
	if err := failpoint.Hit("host.firewall.before"); err != nil {
		return err
	}
	text := f.rules(resolvers("/etc/resolv.conf"))
	if err := f.run(ctx, "iptables-restore", []byte(text), "-w", "5", "--noflush"); err != nil {
		return err
	}
	anew := f.remember(text)
	for _, j := range f.jumps(ctx) {
		if f.run(ctx, "iptables", nil, append([]string{"-w", "5", "-C"}, j...)...) == nil {
			continue
		}
		if err := f.run(ctx, "iptables", nil, append([]string{"-w", "5", "-I"}, j...)...); err != nil {
			return err
		}
		anew = true
	}
	if anew {
		select {
		case f.changed <- struct{}{}:
		default:
		}
	}
	return failpoint.Hit("host.firewall.after")
}

// remember tells whether the rules are others than the last ones.
func (f *Firewall) remember(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	anew := f.text != text
	f.text = text
	return anew
}

// rules is the text for iptables-restore: naming a chain empties it, all in one transaction of the kernel.
func (f *Firewall) rules(dns []netip.Addr) string {
	var b strings.Builder
	in, out := f.chain+"-IN", f.chain
	fmt.Fprintf(&b, "*filter\n:%s - [0:0]\n:%s - [0:0]\n", in, out)
	fmt.Fprintf(&b, "-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A %s -j DROP\n", in, in)
	fmt.Fprintf(&b, "-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n", out)
	for _, a := range dns {
		fmt.Fprintf(&b, "-A %s -d %s/32 -p udp --dport 53 -j RETURN\n-A %s -d %s/32 -p tcp --dport 53 -j RETURN\n", out, a, out, a)
	}
	fmt.Fprintf(&b, "-A %s -p tcp --dport 25 -j DROP\n", out) // no mail from games
	for _, net := range forbidden {
		fmt.Fprintf(&b, "-A %s -d %s -j DROP\n", out, net)
	}
	fmt.Fprintf(&b, "COMMIT\n")
	return b.String()
}

// jumps lead from the machine's chains into ours. Docker keeps DOCKER-USER in front of its own rules; without Docker there is only FORWARD.
func (f *Firewall) jumps(ctx context.Context) [][]string {
	forward := "DOCKER-USER"
	if f.run(ctx, "iptables", nil, "-w", "5", "-n", "-L", forward, "1") != nil {
		forward = "FORWARD"
	}
	return [][]string{
		{"INPUT", "-i", f.bridges + "+", "-j", f.chain + "-IN"},
		{forward, "-i", f.bridges + "+", "-j", f.chain},
	}
}

// Remove takes the chains away; what is not there is fine.
func (f *Firewall) Remove(ctx context.Context) error {
	if _, err := exec.LookPath("iptables"); err != nil {
		return nil
	}
	for _, from := range [][2]string{{"INPUT", f.chain + "-IN"}, {"DOCKER-USER", f.chain}, {"FORWARD", f.chain}} {
		for range 10 { // it is there once; a bound, should iptables lie
			if f.run(ctx, "iptables", nil, "-w", "5", "-D", from[0], "-i", f.bridges+"+", "-j", from[1]) != nil {
				break
			}
		}
	}
	for _, c := range []string{f.chain, f.chain + "-IN"} {
		if f.run(ctx, "iptables", nil, "-w", "5", "-F", c) != nil {
			continue
		}
		if err := f.run(ctx, "iptables", nil, "-w", "5", "-X", c); err != nil {
			return err
		}
	}
	return nil
}

func (f *Firewall) run(ctx context.Context, program string, input []byte, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = bytes.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		text, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s: %w: %s", program, err, text)
	}
	return nil
}

// resolvers lists the machine's name servers: containers ask them through Docker's own resolver, and they may be in a private network.
func resolvers(file string) []netip.Addr {
	text, _ := os.ReadFile(file)
	var out []netip.Addr
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil && a.Is4() && !a.IsLoopback() {
			out = append(out, a)
		}
	}
	return out
}
