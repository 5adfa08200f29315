package images

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorcon/rcon"
	"github.com/payperplay/payperplay/protocol/minecraft"
	"github.com/payperplay/payperplay/scripts/bot"
)

// needDocker skips where no engine answers, but not in CI.
func needDocker(t *testing.T, image string) {
	t.Helper()
	if out, err := exec.Command("docker", "version", "-f", "{{.Server.Version}}").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("PPP_REQUIRE_DOCKER") == "1" {
			t.Fatalf("no Docker engine: %s", out)
		}
		t.Skipf("no Docker engine answers; scripts/prepare docker starts one: %s", out)
	}
	if out, err := exec.Command("./build", image).CombinedOutput(); err != nil {
		t.Fatalf("scripts/images/build %s: %s", image, out)
	}
}

// box is a container run in the foreground under the tenant's profile (reliability.md §3.3), with its console in reach.
type box struct {
	t    *testing.T
	name string
	game string // host:port
	rcon string
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

func (b *box) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *box) log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func start(t *testing.T, image, memory, data string, env ...string) *box {
	t.Helper()
	b := &box{t: t, name: fmt.Sprintf("ppp-images-%d-%d", os.Getpid(), time.Now().UnixNano()), game: port(t), rcon: port(t), done: make(chan struct{})}
	args := []string{"run", "-i", "--rm", "--name", b.name, "--user", "1000:1000", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=64m", "--pids-limit", "128", "--memory", memory, "--memory-swap", memory, "--init",
		"-p", b.game + ":25565", "-p", b.rcon + ":25575", "-v", data + ":/data", "-e", "EULA=TRUE", "-e", "ENABLE_RCON=true", "-e", "RCON_PASSWORD=pass"}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	b.cmd = exec.Command("docker", append(args, image)...)
	b.cmd.Stdout, b.cmd.Stderr = b, b
	in, err := b.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.in = in
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(b.done); _ = b.cmd.Wait() }()
	t.Cleanup(func() {
		_ = exec.Command("docker", "rm", "-f", b.name).Run()
		<-b.done
	})
	return b
}

func (b *box) expect(text string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !strings.Contains(b.log(), text) {
		select {
		case <-tick.C:
		case <-b.done:
			if !strings.Contains(b.log(), text) {
				b.t.Fatalf("ended without %q:\n%s", text, b.log())
			}
		case <-deadline:
			b.t.Fatalf("no %q in 60 s:\n%s", text, b.log())
		}
	}
}

func (b *box) say(command string) {
	b.t.Helper()
	if _, err := io.WriteString(b.in, command+"\n"); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) ended() int {
	b.t.Helper()
	select {
	case <-b.done:
		return b.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		b.t.Fatalf("still running:\n%s", b.log())
		return -1
	}
}

func volume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chown(dir, 1000, 1000); err != nil {
		t.Skipf("needs root to hand a volume to the container's user: %v", err)
	}
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFlyingSquid plays the whole tour on the real server: ready by ping, a player joins, chats and is seen on the console,
// commands over stdin and RCON, saving, a clean stop, and the same world afterwards.
func TestFlyingSquid(t *testing.T) {
	needDocker(t, "flying-squid")
	const image = "payperplay/flying-squid:1.21.4"
	data := volume(t)
	b := start(t, image, "512m", data, "ONLINE_MODE=false", "MOTD=hello", "MAX_PLAYERS=7", "SEED=abc", "MEMORY=400M")
	b.expect(`For help, type "help"`)
	s, err := minecraft.Ping(t.Context(), b.game, minecraft.PingOptions{})
	if err != nil || s.Version != "1.21.4" || s.Max != 7 || s.Online != 0 || s.Description != "hello" {
		t.Fatalf("%+v, %v", s, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	_, gamePort, _ := net.SplitHostPort(b.game)
	player, err := bot.Run(ctx, bot.Options{Port: atoi(t, gamePort), Name: "Alice", Say: "good \x1b[31mday", Stay: time.Minute})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.log())
	}
	b.expect("Alice joined the game")
	b.expect("<Alice> good ")
	if s, err := minecraft.Ping(t.Context(), b.game, minecraft.PingOptions{}); err != nil || s.Online != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	c, err := rcon.Dial(b.rcon, "pass")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]string{
		{"list", "There are 1 of a max of 7 players online: Alice"}, {"save-off", "Automatic saving is now disabled"},
		{"save-all flush", "Saving the game (this may take a moment!)\nSaved the game"}, {"save-on", "Automatic saving is now enabled"},
		{"bogus", "Unknown or incomplete command, see below for error\nbogus<--[HERE]"},
	} {
		if got, err := c.Execute(step[0]); err != nil || got != step[1] {
			t.Errorf("rcon %s: %q, %v", step[0], got, err)
		}
	}
	if tps, err := c.Execute("tps"); err != nil || !strings.HasPrefix(tps, "TPS from last 1m, 5m, 15m: ") {
		t.Errorf("%q, %v", tps, err)
	}
	_ = c.Close()
	b.say("say to all")
	if _, err := player.Wait(ctx, "chat", "[Server] to all"); err != nil {
		t.Error(err)
	}
	b.say("stop")
	if _, err := player.Wait(ctx, "kick", "Server closed"); err != nil {
		t.Error(err)
	}
	if code := b.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, text := range []string{"Alice lost connection: Server closed", "Alice left the game", "All dimensions are saved"} {
		if !strings.Contains(b.log(), text) {
			t.Errorf("no %q on the console", text)
		}
	}
	checkConsole(t, b.log())
	for _, file := range []string{"level.dat", "region/r.0.0.mca", "playerdata/" + minecraft.OfflineUUID("Alice").String() + ".dat"} {
		if _, err := os.Stat(filepath.Join(data, "world", file)); err != nil {
			t.Error(err)
		}
	}
	again := start(t, image, "512m", data, "VERSION=1.20.2")
	again.expect("The world was made by 1.21.4")
	if code := again.ended(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// checkConsole: each line has vanilla's form, without a prompt or escape codes.
func checkConsole(t *testing.T, log string) {
	t.Helper()
	if strings.ContainsAny(log, "\x1b\r\x07") {
		t.Errorf("control characters on the console:\n%q", log)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(log), "\n") {
		if len(line) < 11 || line[0] != '[' || line[9:11] != "] " {
			t.Errorf("console line %q", line)
		}
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTestserverPlays lets a real client join, chat and see its own words on the console.
func TestTestserverPlays(t *testing.T) {
	needDocker(t, "testserver")
	b := start(t, "payperplay/testserver:1", "64m", volume(t))
	b.expect(`For help, type "help"`)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	_, gamePort, _ := net.SplitHostPort(b.game)
	player, err := bot.Run(ctx, bot.Options{Port: atoi(t, gamePort), Name: "Bob", Version: "1.12.2", Say: "hello", Stay: 2 * time.Second})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.log())
	}
	b.expect("Bob joined the game")
	b.expect("<Bob> hello")
	if err := player.Err(); err != nil {
		t.Error(err)
	}
	b.expect("Bob left the game")
	if _, err := bot.Run(ctx, bot.Options{Port: atoi(t, gamePort), Name: "New"}); err == nil || !strings.Contains(err.Error(), "1.12.2 only") {
		t.Errorf("a newer client: %v", err)
	}
}

// TestF11TestserverOOM: the kernel ends it at the container's limit, as it would a game.
func TestF11TestserverOOM(t *testing.T) {
	needDocker(t, "testserver")
	b := start(t, "payperplay/testserver:1", "64m", volume(t))
	b.expect("Done (")
	b.say("oom")
	if code := b.ended(); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
}
