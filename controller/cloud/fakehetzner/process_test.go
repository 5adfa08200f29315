package fakehetzner_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/cloudinit"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
)

// script plays the agent: it writes down how it was started, and stays.
const script = `#!/bin/sh
if [ "$1" = cleanup ]; then echo cleaned >> cleaned; exit 0; fi
printf '%s\n' "$@" > args.new
printf '%s\n' "$PAYPERPLAY_MACHINE_ID" "$PAYPERPLAY_SOURCE_ADDRESS" > env
echo $$ > pid
mv args.new args
exec sleep 1000
`

func userData(extra string) []byte {
	return []byte(`#cloud-config
package_update: true
write_files:
  - path: /etc/payperplay/agent.env
    permissions: '0600'
    content: |
      PAYPERPLAY_AGENT_ARGS="--controller 192.0.2.1:8443 --ca-pin sha256:` + strings.Repeat("ab", 32) + ` --token-file /etc/payperplay/join-token --roles=worker"
  - path: /etc/payperplay/join-token
    permissions: '0600'
    encoding: b64
    content: ` + base64.StdEncoding.EncodeToString([]byte("secret")) + `
runcmd:
  - [ sh, -c, "echo this must not run > /tmp/payperplay-must-not-exist" ]
` + extra)
}

func machine(id string, boots int, data []byte) fakehetzner.Machine {
	return fakehetzner.Machine{ID: id, N: 1, Boots: boots, Name: "m-" + id, UserData: data, Arch: "amd64", Memory: 4 << 30, Address: netip.MustParseAddr("127.1.0.9")}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	var text []byte
	eventually(t, file, func() bool {
		var err error
		text, err = os.ReadFile(file)
		return err == nil
	})
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func TestProcessFollowsItsUserData(t *testing.T) {
	dir := t.TempDir()
	agent := filepath.Join(dir, "agent")
	if err := os.WriteFile(agent, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := fakehetzner.NewProcessBooter(fakehetzner.ProcessOptions{Root: filepath.Join(dir, "machines"), Agent: agent, Restart: 10 * time.Millisecond, Args: []string{"--log-level=debug"}})
	if err != nil {
		t.Fatal(err)
	}
	stop, err := b.Boot(t.Context(), machine("7", 1, userData("")))
	if err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(dir, "machines", "7")
	got := lines(t, filepath.Join(disk, "args"))
	want := []string{
		"run", "--controller=192.0.2.1:8443", "--ca-pin=sha256:" + strings.Repeat("ab", 32), "--token-file=" + disk + "/etc/payperplay/join-token", "--roles=worker",
		"--data=" + disk + "/var/lib/payperplay-agent", "--boot-id-file=" + disk + "/boot-id", "--ports=26500-26524", "--bridge-pool=10.224.0.0/24",
		"--bind=127.1.0.9", "--memory=4294967296", "--log-level=debug",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("started with\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if env := lines(t, filepath.Join(disk, "env")); env[0] != "7" || env[1] != "127.1.0.9" {
		t.Errorf("its environment is %q", env)
	}
	token := filepath.Join(disk, "etc/payperplay/join-token")
	if i, err := os.Stat(token); err != nil || i.Mode().Perm() != 0o600 || lines(t, token)[0] != "secret" {
		t.Errorf("the token: %v, %v", i, err)
	}
	if _, err := os.Stat("/tmp/payperplay-must-not-exist"); err == nil {
		t.Error("a command of the user-data was run on this computer")
	}
	first := lines(t, filepath.Join(disk, "boot-id"))[0]
	pid := lines(t, filepath.Join(disk, "pid"))[0]
	var n int
	_, _ = fmt.Sscan(pid, &n)
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is started again, as by systemd", func() bool { return lines(t, filepath.Join(disk, "pid"))[0] != pid })
	other, err := b.Boot(t.Context(), machine("8", 1, userData("")))
	if err != nil {
		t.Fatal(err)
	}
	defer other()
	if args := strings.Join(lines(t, filepath.Join(dir, "machines/8/args")), " "); !strings.Contains(args, "--ports=26525-26549 --bridge-pool=10.224.1.0/24") {
		t.Errorf("the second machine has %s", args)
	}
	stop()
	if lines(t, filepath.Join(disk, "cleaned"))[0] != "cleaned" {
		t.Error("its containers run on")
	}
	pid = lines(t, filepath.Join(disk, "pid"))[0]
	_, _ = fmt.Sscan(pid, &n)
	if err := syscall.Kill(n, 0); err == nil {
		t.Error("the agent is alive after the power was cut")
	}

	// The second boot: another boot id, the same disk, and user-data is not followed again.
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(disk, "args")); err != nil {
		t.Fatal(err)
	}
	if stop, err = b.Boot(t.Context(), machine("7", 2, userData(""))); err != nil {
		t.Fatal(err)
	}
	if args := strings.Join(lines(t, filepath.Join(disk, "args")), " "); strings.Contains(args, "token-file") {
		t.Errorf("it is told of a token that was removed: %s", args)
	}
	if second := lines(t, filepath.Join(disk, "boot-id"))[0]; second == first || len(second) != 36 {
		t.Errorf("boot ids %s and %s", first, second)
	}
	stop()
	b.Wipe("7")
	if _, err := os.Stat(disk); !os.IsNotExist(err) {
		t.Errorf("its disk: %v", err)
	}
}

// rendered is real user-data that downloads an agent from a URL; without one the image has it.
func rendered(t *testing.T, url, sum string) []byte {
	t.Helper()
	p := cloudinit.Params{
		Node: "m-1", Controllers: []string{"127.0.0.1:8443"}, Pins: []string{"sha256:" + strings.Repeat("A", 43)}, Token: "ppj_" + strings.Repeat("t", 40),
		Roles: []string{"worker"}, PortFrom: 25500, PortTo: 26499, Preinstalled: url == "",
	}
	if url != "" {
		p.Agents = []cloudinit.Agent{{Arch: "amd64", URL: url, SHA256: sum}, {Arch: "arm64", URL: url, SHA256: sum}}
	}
	text, err := cloudinit.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestProcessDownloadsItsAgent(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/dl/agent-linux-") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(script))
	}))
	defer srv.Close()
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(script)))
	b, err := fakehetzner.NewProcessBooter(fakehetzner.ProcessOptions{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range []struct{ url, sum, want string }{
		{srv.URL + "/dl/agent-linux-amd64", strings.Repeat("0", 64), "SHA-256"},
		{srv.URL + "/other/agent-linux-amd64", sum, "404"},
		{"", "", "downloads no agent"},
		{srv.URL + "/dl/agent-linux-amd64", sum, ""},
		{"", "", ""}, // a snapshot that holds what the last one downloaded
	} {
		m := machine(fmt.Sprint(100+i), 1, rendered(t, x.url, x.sum))
		stop, err := b.Boot(t.Context(), m)
		if x.want != "" {
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%q: it says %v, want %q", x.url, err, x.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		stop()
	}
}

func TestRealUserDataIsFollowed(t *testing.T) {
	dir := t.TempDir()
	agent := filepath.Join(dir, "agent")
	if err := os.WriteFile(agent, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := fakehetzner.NewProcessBooter(fakehetzner.ProcessOptions{Root: dir, Agent: agent})
	if err != nil {
		t.Fatal(err)
	}
	stop, err := b.Boot(t.Context(), machine("5", 1, rendered(t, "", "")))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	disk := filepath.Join(dir, "5")
	args := lines(t, filepath.Join(disk, "args"))
	for _, want := range []string{
		"--controller=127.0.0.1:8443", "--name=m-1", "--roles=worker", "--token-file=" + disk + "/etc/payperplay/join-token",
		"--machine-id-file=" + disk + "/sys/class/dmi/id/product_serial",
	} {
		if !slices.Contains(args, want) {
			t.Errorf("it was started without %s: %q", want, args)
		}
	}
	if i, j := slices.Index(args, "--ports=25500-26499"), slices.Index(args, "--ports=26500-26524"); i < 0 || j < i {
		t.Errorf("the last ports that are named count, and they are not the machine's own: %q", args)
	}
	if got := lines(t, filepath.Join(disk, "sys/class/dmi/id/product_serial"))[0]; got != "5" {
		t.Errorf("the machine calls itself %q", got)
	}
}

func TestUserDataThatCannotBeFollowed(t *testing.T) {
	b, err := fakehetzner.NewProcessBooter(fakehetzner.ProcessOptions{Root: t.TempDir(), Agent: "/bin/false"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"#!/bin/sh\n":         "#cloud-config",
		"#cloud-config\na: [": "user-data",
		"#cloud-config\n":     "PAYPERPLAY_AGENT_ARGS",
		"#cloud-config\nwrite_files: [{path: /x, encoding: rot13, content: x}]":   "rot13",
		"#cloud-config\nwrite_files: [{path: /x, permissions: 'rw', content: x}]": "rw",
	} {
		if _, err := b.Boot(t.Context(), machine(fmt.Sprint(len(text)), 1, []byte(text))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
