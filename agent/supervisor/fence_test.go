package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/docker/dockertest"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/protocol"
)

// TestFirewall tries it both ways on a real engine: with the chain in place a container reaches neither the machine, nor another server,
// nor the metadata address, while players still reach it and the agent still pings it; without the chain it does reach the machine.
func TestFirewall(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if _, err := exec.LookPath("nsenter"); err != nil {
		t.Skip("needs nsenter")
	}
	r := newRig(t)
	r.start(dockertest.Spec(t, "srv_a", nil), 1)
	r.start(dockertest.Spec(t, "srv_b", nil), 1)
	a := r.awaitState("srv_a", protocol.StateRunning)
	b := r.awaitState("srv_b", protocol.StateRunning)
	ca, err := r.engine.Inspect(t.Context(), a.Container)
	if err != nil {
		t.Fatal(err)
	}
	cb, _ := r.engine.Inspect(t.Context(), b.Container)
	l, err := net.Listen("tcp", "0.0.0.0:0") // something on the machine that is not for tenants
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	gateway := netGateway(t, ca.PID)

	tag := r.engine.Tag()
	f := host.NewFirewall(tag, docker.BridgePrefix(tag), slog.New(slog.DiscardHandler))
	if !dials(t, ca.PID, gateway, port) {
		t.Fatal("without the chain the container should reach the machine: the test shows nothing")
	}
	if err := f.Assert(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Remove(context.Background()); err != nil {
			t.Error(err)
		}
		if out, _ := exec.Command("iptables", "-S").CombinedOutput(); strings.Contains(string(out), "PPP-"+tag) {
			t.Errorf("rules stay behind:\n%s", out)
		}
	})
	for range 2 { // asserting again changes nothing
		if err := f.Assert(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := exec.Command("iptables", "-S").CombinedOutput()
	if n := strings.Count(string(out), "-j PPP-"+tag); n != 2 {
		t.Errorf("%d jumps into our chains, want 2\n%s", n, out)
	}
	for name, to := range map[string]struct {
		ip   string
		port int
	}{"the machine": {gateway, port}, "another server": {cb.IP.String(), 25565}, "metadata": {"169.254.169.254", 80}, "another server's published port": {gateway, hostPort(b)}} {
		if dials(t, ca.PID, to.ip, to.port) {
			t.Errorf("the container reaches %s at %s:%d", name, to.ip, to.port)
		}
	}
	conn, err := net.DialTimeout("tcp", a.Address, 2*time.Second)
	if err != nil {
		t.Fatalf("players do not reach the game: %v", err)
	}
	_ = conn.Close()
	if _, err := ping(t.Context(), ca); err != nil {
		t.Errorf("the agent does not reach the game: %v", err)
	}
	if _, err := r.console.Ask(t.Context(), "srv_a", "list"); err != nil {
		t.Errorf("RCON does not work through the chain: %v", err)
	}
}

func hostPort(o protocol.Observed) int {
	_, p, _ := net.SplitHostPort(o.Address)
	n, _ := strconv.Atoi(p)
	return n
}

// dials tries a connection from inside the network namespace of a process.
func dials(t *testing.T, pid int, ip string, port int) bool {
	t.Helper()
	script := fmt.Sprintf("exec 3<>/dev/tcp/%s/%d", ip, port)
	return exec.Command("nsenter", "-t", fmt.Sprint(pid), "-n", "timeout", "1", "bash", "-c", script).Run() == nil
}

func netGateway(t *testing.T, pid int) string {
	t.Helper()
	out, err := exec.Command("nsenter", "-t", fmt.Sprint(pid), "-n", "ip", "route", "show", "default").CombinedOutput()
	f := strings.Fields(string(out))
	if err != nil || len(f) < 3 {
		t.Fatalf("no gateway: %s %v", out, err)
	}
	return f[2]
}
