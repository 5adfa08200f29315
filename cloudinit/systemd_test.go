package cloudinit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnitsAreUnderstood has systemd read them, with programs that are on this machine.
func TestUnitsAreUnderstood(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("needs systemd-analyze")
	}
	dir := t.TempDir()
	verify := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		text = strings.NewReplacer("/usr/local/bin/agent", "/bin/true", "/usr/local/sbin/payperplay-firewall", "/bin/true").Replace(text)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput()
		var ours []string
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, name) { // it reads the machine's other units, too
				ours = append(ours, line)
			}
		}
		if err != nil && len(ours) == 0 {
			t.Skipf("systemd-analyze does not work here: %v: %s", err, out)
		}
		return strings.Join(ours, "")
	}
	for _, name := range []string{"payperplay-agent.service", "payperplay-firewall.service"} {
		if said := verify(name, read(name)); said != "" {
			t.Errorf("%s:\n%s", name, said)
		}
	}
	if verify("payperplay-wrong.service", strings.Replace(Unit(), "WatchdogSec=", "WatchdogSecs=", 1)) == "" {
		t.Error("a misspelt option passes: the check shows nothing")
	}
}

// TestScriptsLint: dash reads them (TestScripts); this finds what it would do wrong.
func TestScriptsLint(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("needs shellcheck")
	}
	for _, name := range []string{"payperplay-setup", "payperplay-build", "payperplay-firewall"} {
		if out, err := exec.Command("shellcheck", "-S", "warning", "files/"+name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, err := exec.Command("sh", "-n", "-c", noSSH).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestNoSSH masks the units in a directory that stands for a machine: with ssh enabled as Debian does it, and without ssh.
func TestNoSSH(t *testing.T) {
	if _, err := exec.LookPath("systemctl"); err != nil {
		t.Skip("needs systemctl")
	}
	const unit = "[Unit]\nDescription=ssh\n[Service]\nExecStart=/usr/sbin/sshd -D\n[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n"
	for _, has := range []bool{true, false} {
		root := t.TempDir()
		systemctl := func(args ...string) {
			t.Helper()
			if out, err := exec.Command("systemctl", append([]string{"--root=" + root}, args...)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
		}
		for _, dir := range []string{"/usr/lib/systemd/system", "/etc/systemd/system"} {
			if err := os.MkdirAll(root+dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if has {
			if err := os.WriteFile(root+"/usr/lib/systemd/system/ssh.service", []byte(unit), 0o644); err != nil {
				t.Fatal(err)
			}
			systemctl("enable", "ssh.service")
		}
		mask, _, _ := strings.Cut(noSSH, ";")
		systemctl(strings.Fields(mask)[1:]...)
		for _, name := range []string{"ssh.service", "ssh.socket"} {
			if to, err := os.Readlink(root + "/etc/systemd/system/" + name); to != "/dev/null" {
				t.Errorf("%s is not masked: %q, %v", name, to, err)
			}
		}
	}
}
