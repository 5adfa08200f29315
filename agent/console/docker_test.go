package console

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/protocol"
)

const testImage = "payperplay/testserver:1"

// needDocker skips without an engine and the test image, unless the run must have them.
func needDocker(t testing.TB) *docker.Client {
	t.Helper()
	out, err := exec.Command("docker", "image", "inspect", "--format", "{{.Id}}", testImage).CombinedOutput()
	if err != nil {
		msg := fmt.Sprintf("Docker or the image %s is not here (scripts/prepare, make images): %v %s", testImage, err, bytes.TrimSpace(out))
		if os.Getenv("CI") == "true" || os.Getenv("PPP_REQUIRE_DOCKER") == "1" {
			t.Fatal(msg)
		}
		t.Skip(msg)
	}
	d, err := docker.New(docker.Options{Cluster: "consoletest", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func cli(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// container makes and starts a test server with a small log, so that it rotates often.
func container(t testing.TB, logSize string, env ...string) string {
	t.Helper()
	args := []string{"run", "-d", "-i", "--label", "payperplay.test=console", "--log-driver", "local", "--log-opt", "max-size=" + logSize, "--log-opt", "max-file=5", "--log-opt", "compress=false", "--user", "0:0", "--tmpfs", "/data", "-e", "EULA=TRUE"}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	id := cli(t, append(args, testImage)...)
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "-f", "-v", id).Run() })
	return id
}

func floodNumbers(lines []protocol.Line) []int {
	var out []int
	for _, l := range lines {
		if _, rest, ok := strings.Cut(l.Text, ": flood "); ok {
			n := 0
			if _, err := fmt.Sscan(rest, &n); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// F02 with the real engine: its log rotates several times while 1,000 lines/s are printed, the agent dies again and again, the container is
// stopped and started, and each line is there once and in order.
func TestF02DockerExact(t *testing.T) {
	d := needDocker(t)
	dir := t.TempDir()
	id := container(t, "100k", "FLOOD=1000:4")
	src := d.Terminal(id)
	c := newConsole(t, dir)
	attach := func() {
		if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
			t.Fatal(err)
		}
	}
	attach()
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
		time.Sleep(time.Duration(100+rand.IntN(500)) * time.Millisecond)
		c.die()
		c = newConsole(t, dir)
		attach()
	}
	cli(t, "stop", "-t", "5", id)
	if err := c.Drain(t.Context(), "srv_a"); err != nil {
		t.Fatal(err)
	}
	first := history(t, c, "srv_a")
	cli(t, "start", id)
	attach()
	time.Sleep(4500 * time.Millisecond)
	cli(t, "kill", id)
	if err := c.Drain(t.Context(), "srv_a"); err != nil {
		t.Fatal(err)
	}
	all := history(t, c, "srv_a")
	want := make([]int, 4000)
	for i := range want {
		want[i] = i + 1
	}
	if got := floodNumbers(all); !slices.Equal(got, slices.Concat(want, want)) {
		t.Errorf("%d numbered lines (%d of the first run), want 4000 twice, each once and in order: %v", len(got), len(floodNumbers(first)), firstOdd(got))
	}
	for i, l := range all {
		if l.Seq != int64(i+1) || l.Kind == protocol.LineGap {
			t.Fatalf("line %d: %+v", i, l)
		}
	}
	c.die()
}

func firstOdd(got []int) string {
	for i, n := range got {
		if n != i%4000+1 {
			return fmt.Sprintf("at %d: %v", i, got[max(0, i-3):min(len(got), i+5)])
		}
	}
	return "all in order"
}

func TestDockerCommands(t *testing.T) {
	d := needDocker(t)
	id := container(t, "5m", "ENABLE_RCON=true", "RCON_PASSWORD=secret")
	c := newConsole(t, t.TempDir())
	defer func() { _ = c.Close() }()
	ready := make(chan struct{})
	var once sync.Once
	c.Watch("srv_a", func(l protocol.Line) {
		if strings.Contains(l.Text, "RCON running") {
			once.Do(func() { close(ready) })
		}
	})
	if err := c.Attach(t.Context(), "srv_a", d.Terminal(id), Upstream{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ready:
	case <-time.After(20 * time.Second):
		t.Fatalf("not ready: %v", c.LastLines("srv_a", 20))
	}
	command := func(text string) protocol.CommandReply {
		t.Helper()
		r, err := c.Command(t.Context(), protocol.CommandRequest{Server: "srv_a", Command: text, Actor: "bob"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := command("say by stdin"); r.Via != "stdin" {
		t.Errorf("%+v", r)
	}
	ip := cli(t, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id)
	c.SetRCON("srv_a", ip+":25575", "secret")
	if r := command("list"); r.Via != "rcon" || !strings.Contains(r.Output, "0 of a max of") {
		t.Errorf("%+v", r)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		lines := fmt.Sprint(c.LastLines("srv_a", 50))
		if strings.Contains(lines, "[Server] by stdin") && strings.Contains(lines, "> list (bob)") && strings.Contains(lines, "< There are 0") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(lines)
		}
	}
}

// watchAttach is the yardstick: a plain attach to the container's output. The returned function waits for line last and gives each line's arrival.
func watchAttach(t testing.TB, id string, last int) func() map[int]time.Time {
	t.Helper()
	conn, err := net.Dial("unix", "/var/run/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST /v1.41/containers/%s/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n", id); err != nil {
		t.Fatal(err)
	}
	got := map[int]time.Time{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		in := bufio.NewReaderSize(conn, 64<<10)
		for {
			text, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if n := floodNumbers([]protocol.Line{{Text: strings.TrimSpace(text)}}); len(n) > 0 {
				if got[n[0]] = time.Now(); n[0] == last {
					return
				}
			}
		}
	}()
	return func() map[int]time.Time {
		<-done
		_ = conn.Close()
		return got
	}
}

// BenchmarkLineLatency measures "console line, container → … p99 ≤ docker attach's p99 + 1 ms" (performance.md §2) up to the agent's follower,
// beside an attach on the same container in the same run. Both are counted from Docker's own time stamp of the line.
func BenchmarkLineLatency(b *testing.B) {
	d := needDocker(b)
	const lines = 5_000
	id := container(b, "5m", fmt.Sprintf("FLOOD=1000:%d", lines/1000))
	c, err := New(Options{Dir: filepath.Join(b.TempDir(), "console"), Boot: "b"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Attach(b.Context(), "srv_a", d.Terminal(id), Upstream{}); err != nil {
		b.Fatal(err)
	}
	yard := watchAttach(b, id, lines)
	opened := time.Now()
	var ours, theirs []time.Duration
	stamps, got := map[int]time.Time{}, map[int]time.Time{}
	_ = c.Follow(b.Context(), protocol.FollowRequest{Server: "srv_a"}, func(batch protocol.LineBatch) error {
		now := time.Now()
		for _, l := range batch.Lines {
			if n := floodNumbers([]protocol.Line{l}); len(n) > 0 {
				stamps[n[0]], got[n[0]] = l.Time, now
				if n[0] == lines {
					return io.EOF
				}
			}
		}
		return nil
	})
	theirTimes := yard()
	for n, at := range stamps {
		if y, ok := theirTimes[n]; ok && at.After(opened.Add(200*time.Millisecond)) { // older ones were printed before we came
			ours, theirs = append(ours, got[n].Sub(at)), append(theirs, y.Sub(at))
		}
	}
	p := func(v []time.Duration, q float64) float64 {
		slices.Sort(v)
		return float64(v[int(q*float64(len(v)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(ours)), "lines")
	b.ReportMetric(p(ours, .5), "ours-p50-ms")
	b.ReportMetric(p(ours, .99), "ours-p99-ms")
	b.ReportMetric(p(theirs, .5), "attach-p50-ms")
	b.ReportMetric(p(theirs, .99), "attach-p99-ms")
	b.ReportMetric(p(ours, .99)/p(theirs, .99), "ratio")
	b.ReportMetric(p(ours, .99)-p(theirs, .99), "over-ms")
}
