package cloudinit

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestFirewallRules runs the script twice in a network of its own: the rules are there, and there once.
func TestFirewallRules(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"unshare", "iptables"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
	if out, err := exec.Command("unshare", "-n", "iptables", "-w", "5", "-S").CombinedOutput(); err != nil {
		t.Skipf("iptables does not work in a network namespace here: %v: %s", err, out)
	}
	out, err := exec.Command("unshare", "-n", "sh", "-c", "sh files/payperplay-firewall && sh files/payperplay-firewall && iptables -w 5 -S").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, rule := range []string{
		"-A INPUT -i pb+ -m conntrack --ctstate NEW -j DROP", "-A DOCKER-USER -i pb+ -j PPP-BASE",
		"-A OUTPUT -d 169.254.169.254/32 -m owner ! --uid-owner 0 -j DROP", "-A PPP-BASE -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
		"-A PPP-BASE -d 169.254.0.0/16 -j DROP", "-A PPP-BASE -d 10.0.0.0/8 -j DROP", "-A PPP-BASE -d 172.16.0.0/12 -j DROP", "-A PPP-BASE -d 192.168.0.0/16 -j DROP",
	} {
		if n := strings.Count(string(out), rule+"\n"); n != 1 {
			t.Errorf("%d times %q\n%s", n, rule, out)
		}
	}
}
