package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorcon/rcon"
	"github.com/gorcon/rcon/rcontest"

	"github.com/payperplay/payperplay/protocol"
)

// filled gives a console with a server that has n lines, and its source.
func filled(t *testing.T, n int) (*Console, *memLog) {
	t.Helper()
	c := newConsole(t, t.TempDir())
	t.Cleanup(func() { _ = c.Close() })
	src := newMemLog("c")
	for i := range n {
		src.add(logEntry{1, timeAt(i), fmt.Sprintf("line %d\n", i+1)})
	}
	if err := c.Attach(t.Context(), "srv_a", src, Upstream{Epoch: 3}); err != nil {
		t.Fatal(err)
	}
	s := c.known("srv_a")
	for {
		if _, head := s.book.span(); head >= int64(n) {
			return c, src
		}
		<-s.book.changed(int64(n))
	}
}

func TestLines(t *testing.T) {
	c, _ := filled(t, 3_000)
	for name, q := range map[string]struct {
		req         protocol.LinesRequest
		first, last int64
		count       int
		more        bool
	}{
		"newest":          {protocol.LinesRequest{}, 2001, 3000, 1000, true},
		"tail":            {protocol.LinesRequest{Tail: true, Limit: 5}, 2996, 3000, 5, true},
		"from":            {protocol.LinesRequest{From: 10, Limit: 5}, 10, 14, 5, true},
		"range":           {protocol.LinesRequest{From: 10, To: 12}, 10, 12, 3, false},
		"before":          {protocol.LinesRequest{To: 20, Limit: 5}, 16, 20, 5, true},
		"all":             {protocol.LinesRequest{From: 1, Limit: 10_000}, 1, 3000, 3000, false},
		"since":           {protocol.LinesRequest{Since: timeAt(2990)}, 2991, 3000, 10, false},
		"search":          {protocol.LinesRequest{From: 1, Search: "LINE 29"}, 29, 2999, 111, false},
		"search the tail": {protocol.LinesRequest{Search: "line 29", Limit: 2}, 2998, 2999, 2, true},
		"nothing":         {protocol.LinesRequest{Search: "dragon"}, 0, 0, 0, false},
		"beyond the head": {protocol.LinesRequest{From: 4_000}, 0, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			q.req.Server = "srv_a"
			got, err := c.Lines(t.Context(), q.req)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Lines) != q.count || got.More != q.more || got.First != 1 || got.Head != 3000 {
				t.Fatalf("%d lines, more %v, first %d, head %d", len(got.Lines), got.More, got.First, got.Head)
			}
			if q.count > 0 && (got.Lines[0].Seq != q.first || got.Lines[q.count-1].Seq != q.last) {
				t.Fatalf("lines %d…%d, want %d…%d", got.Lines[0].Seq, got.Lines[q.count-1].Seq, q.first, q.last)
			}
		})
	}
	if _, err := c.Lines(t.Context(), protocol.LinesRequest{Server: "../etc", Limit: 1}); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("a path as id: %v", err)
	}
	if _, err := c.Lines(t.Context(), protocol.LinesRequest{Server: "srv_a", Limit: 10_001}); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("a limit over 10,000: %v", err)
	}
	if got, err := c.Lines(t.Context(), protocol.LinesRequest{Server: "srv_never"}); err != nil || len(got.Lines) != 0 {
		t.Errorf("a server without history: %v %v", got, err)
	}
	if got := c.LastLines("srv_a", 3); len(got) != 3 || got[2].Seq != 3000 {
		t.Errorf("last lines: %v", got)
	}
}

func TestExport(t *testing.T) {
	c, src := filled(t, 2)
	src.add(logEntry{1, timeAt(5), strings.Repeat("a", 100)}, logEntry{1, timeAt(5), "b\n"})
	<-c.known("srv_a").book.changed(4)
	c.System("srv_a", "stopped")
	var out strings.Builder
	if err := c.Export(t.Context(), protocol.ExportRequest{Server: "srv_a"}, &out); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(rows) != 4 || !strings.HasSuffix(rows[1], "Z line 2") || !strings.HasSuffix(rows[2], "aab") || !strings.HasSuffix(rows[3], "[system] stopped") {
		t.Fatalf("%q", rows)
	}
}

// Many follow, one of them stuck: the others get everything, and the stuck one too when it goes on, because the history has it.
func TestFollowersDoNotHoldEachOtherUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(t, t.TempDir())
		src := newMemLog("c")
		if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := make([][]int64, 20)
		stuck := make(chan struct{})
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				_ = c.Follow(ctx, protocol.FollowRequest{Server: "srv_a"}, func(b protocol.LineBatch) error {
					for _, l := range b.Lines {
						got[i] = append(got[i], l.Seq)
					}
					if i == 0 {
						<-stuck
					}
					return nil
				})
			})
		}
		for i := range 2_000 {
			src.add(logEntry{1, time.Now(), fmt.Sprint(i, "\n")})
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		for i := range got[1:] {
			if len(got[i+1]) != 2_000 {
				t.Fatalf("follower %d has %d lines", i+1, len(got[i+1]))
			}
		}
		close(stuck)
		synctest.Wait()
		if len(got[0]) != 2_000 || !slices.IsSorted(got[0]) {
			t.Fatalf("the stuck follower has %d lines", len(got[0]))
		}
		cancel()
		wg.Wait()
		c.die()
	})
}

func TestFollowAfter(t *testing.T) {
	c, _ := filled(t, 100)
	for after, first := range map[int64]int64{0: 1, 50: 51, -3: 98, -500: 1, 7_000: 1, 99: 100} {
		var got []int64
		stop := errors.New("enough")
		err := c.Follow(t.Context(), protocol.FollowRequest{Server: "srv_a", After: after}, func(b protocol.LineBatch) error {
			for _, l := range b.Lines {
				got = append(got, l.Seq)
			}
			if b.Head != 100 {
				t.Errorf("head %d", b.Head)
			}
			if got[len(got)-1] == 100 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || got[0] != first || len(got) != int(100-first+1) {
			t.Errorf("after %d: %d lines from %d, %v", after, len(got), got[0], err)
		}
	}
}

func TestRemoveEndsFollowersAndDeletes(t *testing.T) {
	c, _ := filled(t, 5)
	ended := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		ended <- c.Follow(t.Context(), protocol.FollowRequest{Server: "srv_a"}, func(protocol.LineBatch) error {
			select {
			case <-started:
			default:
				close(started)
			}
			return nil
		})
	}()
	<-started
	if err := c.Remove("srv_a"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; protocol.CodeOf(err) != protocol.NotFound {
		t.Errorf("the follower ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.o.Dir, "srv_a")); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestWatchersSeeLinesInOrder(t *testing.T) {
	c, src := filled(t, 0)
	var got []string
	done := make(chan struct{})
	cancel := c.Watch("srv_a", func(l protocol.Line) {
		if got = append(got, l.Text); l.Text == "end" {
			close(done)
		}
	})
	c.System("srv_a", "started")
	src.add(logEntry{1, timeAt(1), "one\n"}, logEntry{1, timeAt(2), "end\n"})
	<-done
	cancel()
	c.System("srv_a", "not seen")
	if want := []string{"started", "one", "end"}; !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
}

func TestCommandByStdin(t *testing.T) {
	c, src := filled(t, 0)
	send := func(text string, epoch int64) error {
		_, err := c.Command(t.Context(), protocol.CommandRequest{Server: "srv_a", Command: text, Actor: "bob\x1b[31m", Epoch: epoch})
		return err
	}
	if err := send("say hi", 3); err != nil {
		t.Fatal(err)
	}
	if got := src.typed.String(); got != "say hi\n" {
		t.Errorf("the game got %q", got)
	}
	if last := c.LastLines("srv_a", 1)[0]; last.Kind != protocol.LineCommand || last.Text != "> say hi (bob?[31m)" {
		t.Errorf("recorded %+v", last)
	}
	for text, code := range map[string]protocol.Code{"a\nb": protocol.Invalid, "": protocol.Invalid, strings.Repeat("x", maxCommand+1): protocol.Invalid, "\xff": protocol.Invalid, "a\x00": protocol.Invalid} {
		if err := send(text, 3); protocol.CodeOf(err) != code {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if err := send("list", 2); protocol.CodeOf(err) != protocol.Stale {
		t.Errorf("another epoch: %v", err)
	}
	c.Detach("srv_a")
	if err := send("list", 3); protocol.CodeOf(err) != protocol.Conflict {
		t.Errorf("not running: %v", err)
	}
}

func TestCommandByRCON(t *testing.T) {
	long := strings.Repeat("0123456789", 1_000)
	server := rcontest.NewServer(rcontest.SetSettings(rcontest.Settings{Password: "secret"}), rcontest.SetCommandHandler(func(r *rcontest.Context) {
		id := r.Request().ID
		if r.Request().Type != rcon.SERVERDATA_EXECCOMMAND {
			_, _ = rcon.NewPacket(rcon.SERVERDATA_RESPONSE_VALUE, id, "Unknown request 0").WriteTo(r.Conn())
			return
		}
		switch r.Request().Body() {
		case "long":
			for rest := long; rest != ""; {
				n := min(len(rest), rconFragment)
				_, _ = rcon.NewPacket(rcon.SERVERDATA_RESPONSE_VALUE, id, rest[:n]).WriteTo(r.Conn())
				rest = rest[n:]
			}
		case "hang":
		case "odd":
			_, _ = rcon.NewPacket(rcon.SERVERDATA_RESPONSE_VALUE, id+7, "?").WriteTo(r.Conn())
		default:
			_, _ = rcon.NewPacket(rcon.SERVERDATA_RESPONSE_VALUE, id, "did "+r.Request().Body()).WriteTo(r.Conn())
		}
	}))
	defer server.Close()
	c, src := filled(t, 0)
	c.SetRCON("srv_a", server.Addr(), "secret")
	send := func(text string, within time.Duration) (protocol.CommandReply, error) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return c.Command(ctx, protocol.CommandRequest{Server: "srv_a", Command: text, Actor: "bob"})
	}
	for range 3 {
		r, err := send("list", time.Second)
		if err != nil || r.Output != "did list" || r.Via != "rcon" {
			t.Fatal(r, err)
		}
	}
	if last := c.LastLines("srv_a", 2); last[0].Text != "> list (bob)" || last[1].Text != "< did list" {
		t.Errorf("recorded %+v", last)
	}
	if r, err := send("long", time.Second); err != nil || r.Output != long {
		t.Errorf("long answer: %d bytes, %v", len(r.Output), err)
	}
	if r, err := send("list", time.Second); err != nil || r.Output != "did list" {
		t.Errorf("after the long answer: %v %v", r, err)
	}
	if _, err := send("hang", 100*time.Millisecond); protocol.CodeOf(err) != protocol.Timeout {
		t.Errorf("no answer: %v", err)
	}
	if _, err := send("odd", time.Second); protocol.CodeOf(err) != protocol.Unavailable {
		t.Errorf("an answer to another question: %v", err)
	}
	if r, err := send("list", time.Second); err != nil || r.Output != "did list" {
		t.Errorf("after a reconnect: %v %v", r, err)
	}
	if src.typed.Len() != 0 {
		t.Errorf("stdin got %q", src.typed.String())
	}
	if out, err := c.Ask(t.Context(), "srv_a", "tps"); err != nil || out != "did tps" {
		t.Errorf("ask: %q %v", out, err)
	}
	c.SetRCON("srv_a", server.Addr(), "wrong")
	if r, err := send("say x", time.Second); err != nil || r.Via != "stdin" || src.typed.String() != "say x\n" {
		t.Errorf("RCON that refuses us: %+v %v, stdin got %q", r, err, src.typed.String())
	}
}

// S12: a game that announces a packet of 2 GiB does not make the agent reserve it.
func TestS12HugeRCONPacket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte{0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0})
			defer func() { _ = conn.Close() }()
		}
	}()
	c, _ := filled(t, 0)
	c.SetRCON("srv_a", l.Addr().String(), "x")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := c.Ask(t.Context(), "srv_a", "list"); err == nil {
		t.Error("no error")
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes were reserved", n)
	}
}

// F12: when the disk is full the oldest history makes room; what cannot be written stays in the engine's log and comes later.
func TestF12DiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(t, t.TempDir())
		src := newMemLog("c")
		if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
			t.Fatal(err)
		}
		src.add(logEntry{1, time.Now(), "one\n"})
		synctest.Wait()
		s := c.known("srv_a")
		s.book.mu.Lock()
		good := s.book.f
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.book.f = full
		s.book.mu.Unlock()
		for i := range 10 {
			time.Sleep(time.Second)
			src.add(logEntry{1, time.Now(), fmt.Sprintf("full %d\n", i)})
		}
		s.book.mu.Lock()
		s.book.f = good
		s.book.mu.Unlock()
		time.Sleep(time.Minute)
		if got := texts(history(t, c, "srv_a")); len(got) != 11 || got[10] != "full 9" {
			t.Fatalf("%q", got)
		}
		if info, err := good.Stat(); err != nil || info.Size() == 0 || s.book.bytes() != info.Size() {
			t.Errorf("the metric says %d bytes, the file has %d (%v)", s.book.bytes(), info.Size(), err)
		}
		_ = full.Close()
		c.die()
	})
}

// S12: attach and detach over and over leaves nothing behind (goleak looks).
func TestS12AttachDetachManyTimes(t *testing.T) {
	c, src := filled(t, 1)
	for range 2_000 {
		c.Detach("srv_a")
		if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := runtime.NumGoroutine(); n > 50 {
		t.Errorf("%d goroutines", n)
	}
}
