package postgres

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// cutter is a proxy before Postgres that can cut a connection just before or just after it has passed a COMMIT on.
type cutter struct {
	listener net.Listener
	target   string
	mode     atomic.Int32 // 0 pass, 1 cut before COMMIT is passed on, 2 after: the answer never comes
	stalled  atomic.Bool  // nothing passes any more, and nothing is closed
	cuts     atomic.Int32
	mark     []byte // what is cut at
	onCut    func() // called when mode 1 has closed the way to Postgres, before the client hears of it
	mu       sync.Mutex
	conns    []net.Conn
}

func newCutter(t *testing.T, store string) (*cutter, string) {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: l, target: u.Host, mark: []byte("mark-of-the-commit")}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { c.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.mu.Lock()
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.mu.Unlock()
		serving.Wait()
	})
	u.Host = l.Addr().String()
	return c, u.String()
}

func (c *cutter) serve(client net.Conn) {
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		_ = client.Close()
		return
	}
	c.mu.Lock()
	c.conns = append(c.conns, client, server)
	c.mu.Unlock()
	var silent, held atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil {
				if !held.Load() {
					_ = client.Close()
				}
				return
			}
			if c.stalled.Load() {
				continue
			}
			if silent.Load() {
				_ = client.Close()
				continue // the server goes on to its end, unheard
			}
			_, _ = client.Write(buf[:n])
		}
	}()
	buf := make([]byte, 256<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			break
		}
		// The commit's batch is known by a text in the same batch: its own statement is a prepared one.
		if mode := c.mode.Load(); mode != 0 && bytes.Contains(buf[:n], c.mark) && c.mode.CompareAndSwap(mode, 0) {
			c.cuts.Add(1)
			if mode == 1 {
				held.Store(true) // the client hears of it below
				_ = server.Close()
				if c.onCut != nil {
					c.onCut()
				}
				break
			}
			silent.Store(true)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			break
		}
	}
	_ = client.Close()
	if !silent.Load() {
		_ = server.Close()
	}
	<-done
	_ = server.Close()
}

// TestLostCommitReplies cuts the connection at the commit, before Postgres has seen it and after: the caller gets nil and
// the change is there once.
func TestLostCommitReplies(t *testing.T) {
	plain := postgrestest.Database(t)
	proxy, through := newCutter(t, plain)
	db := openAt(t, through, Options{Tables: storetest.Tables()})
	var acked int64
	runs := 0
	write := func() {
		t.Helper()
		announced := 0
		err := db.Update(t.Context(), func(tx store.Tx) error {
			runs++
			n, err := tx.Next("writes")
			if err != nil {
				return err
			}
			tx.AfterCommit(func() { announced++ })
			item := storetest.Item{ID: store.SeqKey(n), Name: "n" + store.SeqKey(n), N: n, Data: make([]byte, n%900)}
			return errors.Join(storetest.Items.Put(tx, item), storetest.Others.Delete(tx, store.SeqKey(n-1)), storetest.Others.Put(tx, item),
				storetest.Others.Put(tx, storetest.Item{ID: "last", N: n, Text: "mark-of-the-commit"})) // the last write goes with the commit
		})
		if err != nil || announced != 1 {
			t.Errorf("Update = %v, announced %d times", err, announced)
		}
		acked++
	}
	write()
	for range 10 {
		for mode := int32(1); mode <= 2; mode++ {
			runs = 0
			proxy.mode.Store(mode)
			write()
			if runs != int(3-mode) {
				t.Errorf("cut %d: the closure ran %d times; want again only when nothing was committed", mode, runs)
			}
		}
	}
	if proxy.cuts.Load() != 20 {
		t.Errorf("%d connections were cut, want 20", proxy.cuts.Load())
	}
	if _, err := numbers.Check(t.Context(), db, acked); err != nil {
		t.Error(err)
	}
	mustBeClean(t, plain)
}

// TestF15Stalled: the way to Postgres swallows everything. A caller's deadline holds, and it goes on when the way is clear.
func TestF15Stalled(t *testing.T) {
	proxy, through := newCutter(t, postgrestest.Database(t))
	db := openAt(t, through+"&connect_timeout=1", Options{Tables: storetest.Tables()})
	if _, err := numbers.Write(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	proxy.stalled.Store(true)
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"View": db.View, "Update": db.Update} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		start := time.Now()
		err := run(ctx, func(tx store.Tx) error { _, err := storetest.Others.Get(tx, "last"); return err })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(start))
		}
		cancel()
	}
	start := time.Now()
	err := db.View(t.Context(), func(tx store.Tx) error { _, err := storetest.Others.Get(tx, "last"); return err })
	if fault.KindOf(err) != fault.Unavailable || time.Since(start) > answerTimeout {
		t.Errorf("a View without a deadline: %v of kind %s after %v", err, fault.KindOf(err), time.Since(start))
	}
	proxy.stalled.Store(false)
	proxy.mu.Lock()
	for _, conn := range proxy.conns {
		_ = conn.Close()
	}
	proxy.mu.Unlock()
	if n, err := numbers.Write(t.Context(), db); n != 2 || err != nil {
		t.Errorf("afterwards: number %d, %v", n, err)
	}
}

// TestF24LostCommitAndTakeover: the answer to a commit is lost, and before it is looked up another controller takes over. The
// old one is told that its change happened, and can change nothing more.
func TestF24LostCommitAndTakeover(t *testing.T) {
	plain := postgrestest.Database(t)
	db := openAt(t, plain, Options{Tables: storetest.Tables()})
	if _, err := numbers.Write(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	last := db.op
	newer := openAt(t, plain, Options{Tables: storetest.Tables()})
	if _, err := numbers.Write(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if happened, err := db.resolve(t.Context(), last); !happened || err != nil {
		t.Errorf("the last commit before the takeover: %v, %v; want that it happened", happened, err)
	}
	if happened, err := db.resolve(t.Context(), last+1); happened || !errors.Is(err, store.ErrStaleTerm) {
		t.Errorf("a commit that never came: %v, %v; want ErrStaleTerm", happened, err)
	}
	select {
	case <-db.Lost():
	default:
		t.Error("Lost is still open")
	}
}
