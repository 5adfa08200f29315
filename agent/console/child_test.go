package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

const (
	envChildDir   = "PPP_CONSOLE_CHILD_DIR"
	envChildAfter = "PPP_CONSOLE_CHILD_AFTER"
)

// childMain is the agent that gets killed: it follows a log file and prints what a follower sees.
func childMain() bool {
	dir := os.Getenv(envChildDir)
	if dir == "" {
		return false
	}
	after, _ := strconv.ParseInt(os.Getenv(envChildAfter), 10, 64)
	c, err := New(Options{Dir: filepath.Join(dir, "console"), Boot: "boot"})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	go func() { _ = c.Run(ctx) }()
	if err := c.Attach(ctx, "srv_a", fileLog{filepath.Join(dir, "log")}, Upstream{}); err != nil {
		panic(err)
	}
	err = c.Follow(ctx, protocol.FollowRequest{Server: "srv_a", After: after}, func(b protocol.LineBatch) error {
		var out strings.Builder
		for _, l := range b.Lines {
			fmt.Fprintf(&out, "%d %s%s\n", l.Seq, l.Kind, l.Text)
		}
		_, err := os.Stdout.WriteString(out.String())
		return err
	})
	panic(err)
}

// fileLog is a container's log in a file that another process writes.
type fileLog struct{ path string }

func (l fileLog) ID() string                                    { return "file" }
func (l fileLog) Ended(context.Context) (bool, error)           { return false, nil }
func (l fileLog) Stdin(context.Context) (io.WriteCloser, error) { return nil, errors.New("none") }
func (l fileLog) Logs(ctx context.Context, since time.Time, _ bool) (io.ReadCloser, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		defer func() { _ = f.Close() }()
		frames := newFrames(&growing{ctx, f})
		for {
			m, err := frames.next()
			if err != nil {
				_ = w.CloseWithError(err)
				return
			}
			if m.at.Before(since) {
				continue
			}
			if _, err := w.Write(logEntry{byte(m.stream + 1), m.at, string(m.text) + "\n"}.frame()); err != nil {
				return
			}
		}
	}()
	return r, nil
}

// growing waits at the end of the file for more.
type growing struct {
	ctx context.Context
	f   *os.File
}

func (g *growing) Read(p []byte) (int, error) {
	for {
		n, err := g.f.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		select {
		case <-g.ctx.Done():
			return 0, g.ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// F02: the agent is killed again and again while the game prints 2,000 lines a second and someone follows. The follower, who goes on
// from the last line it got, sees every line once and in order.
func TestF02KillNineWhileFollowing(t *testing.T) {
	dir := t.TempDir()
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	const total, maxKills = 6_000, 200
	var game sync.WaitGroup
	game.Go(func() {
		for i := range total {
			if i%4 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
			if _, err := log.Write(logEntry{byte(1 + i%2), time.Now(), fmt.Sprintf("line-%d\n", i)}.frame()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer game.Wait()
	after, next, kills := int64(0), 0, 0
	for next < total {
		if kills > maxKills {
			t.Fatalf("only %d lines after %d kills and a minute of peace", next, maxKills)
		}
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), envChildDir+"="+dir, envChildAfter+"="+strconv.FormatInt(after, 10))
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		life := time.Duration(50+rand.IntN(250)) * time.Millisecond
		if kills == maxKills { // on a busy machine most die before they say anything: the last one has to tell everything
			life = time.Minute
		}
		kill := time.AfterFunc(life, func() { _ = child.Process.Kill() })
		in := bufio.NewScanner(out)
		for in.Scan() {
			number, text, ok := strings.Cut(in.Text(), " ")
			seq, err := strconv.ParseInt(number, 10, 64)
			if !ok || err != nil || !strings.HasPrefix(text, "line-") {
				break // cut by the kill
			}
			if i, err := strconv.Atoi(text[5:]); err != nil || i != next || seq != after+1 {
				if i < next && err == nil && strings.HasPrefix(strconv.Itoa(next), text[5:]) {
					break // cut by the kill
				}
				t.Errorf("after %d kills: got line %q as number %d, want line %d as %d", kills, text, seq, next, after+1)
				kill.Stop()
				_ = child.Process.Kill()
				_ = child.Wait()
				return
			}
			next++
			after = seq
			if next == total {
				_ = child.Process.Kill()
			}
		}
		_ = child.Process.Kill()
		_ = child.Wait()
		kill.Stop()
		kills++
	}
	t.Logf("%d lines over %d kills", next, kills)
}
