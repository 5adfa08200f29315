package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

// engine asks Docker itself: what the product says of its containers is not evidence.
type engine struct {
	http *http.Client
	node string
}

// object is a container or network of a node, as Docker lists it.
type object struct {
	ID     string `json:"Id"`
	State  string
	Labels map[string]string
}

func newEngine(node string) *engine {
	socket := "/var/run/docker.sock"
	if path, ok := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://"); ok {
		socket = path
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &engine{http: &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 30 * time.Second}, node: node}
}

// list gives "containers" or "networks" of the node.
func (e *engine) list(ctx context.Context, what string) ([]object, error) {
	filter := url.QueryEscape(fmt.Sprintf(`{"label":["payperplay.node=%s"]}`, e.node))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/"+what+"?all=1&filters="+filter, nil)
	if err != nil {
		return nil, err
	}
	if what == "containers" {
		req.URL.Path = "/containers/json"
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var all []object
	err = json.NewDecoder(resp.Body).Decode(&all)
	return all, err
}

// memory is the limit of a container, bytes.
func (e *engine) memory(ctx context.Context, id string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/containers/"+id+"/json", nil)
	if err != nil {
		return 0, err
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var c struct{ HostConfig struct{ Memory int64 } }
	err = json.NewDecoder(resp.Body).Decode(&c)
	return c.HostConfig.Memory, err
}

func (o object) server() string { return o.Labels["payperplay.server"] }
func (o object) runs() bool {
	return o.State == "running" || o.State == "paused" || o.State == "restarting"
}

// watch looks at Docker and at the event log all the time.
type watch struct {
	engine *engine
	polls  int

	mu   sync.Mutex
	last int64
	seen map[int64]string
}

// newWatch checks I1 at every poll, and that the live event log has no hole and no double.
func (c *chaos) newWatch() *watch {
	w := &watch{engine: newEngine(c.node), seen: map[int64]string{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	var wg sync.WaitGroup
	c.t.Cleanup(func() { cancel(); wg.Wait() })
	wg.Go(func() {
		for ctx.Err() == nil {
			w.poll(ctx, c.t)
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	wg.Go(func() {
		err := c.client.FollowEvents(ctx, client.EventsQuery{}, nil, func(e client.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.last != 0 && e.Seq != w.last+1 {
				c.t.Errorf("events live: %d (%s) follows %d", e.Seq, e.Type, w.last)
			}
			w.last = e.Seq
			w.seen[e.Seq] = e.Type + " " + e.Server
			return nil
		})
		if ctx.Err() == nil {
			c.t.Errorf("events live: ended: %v", err)
		}
	})
	return w
}

func (w *watch) poll(ctx context.Context, t *testing.T) {
	all, err := w.engine.list(ctx, "containers")
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		t.Errorf("docker: %v", err)
		return
	}
	w.polls++
	running := map[string]string{}
	for _, o := range all {
		if !o.runs() {
			continue
		}
		if other := running[o.server()]; other != "" {
			t.Errorf("I1 two containers of %s run: %.12s and %.12s", o.server(), other, o.ID)
		}
		running[o.server()] = o.ID
	}
}

// lines is what one viewer saw of a console, over all breaks.
type lines struct {
	server string
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	text map[int64]string
	last int64
}

// listen follows a console until the end of the test or of the server, and checks that what comes has no hole, double or gap.
func (c *chaos) listen(id string) *lines {
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	l := &lines{server: id, cancel: cancel, done: make(chan struct{}), text: map[int64]string{}}
	c.t.Cleanup(l.end)
	go func() {
		defer close(l.done)
		err := c.client.Follow(ctx, id, client.FollowOptions{Lost: func(err error) { c.note("console of %s lost: %v", id, err) }}, func(m client.ConsoleMessage) error {
			if m.Type != "lines" && m.Type != "ping" {
				c.note("console of %s: %s %s", id, m.Type, m.Text)
			}
			for _, line := range m.Lines {
				l.add(c, line)
			}
			return nil
		})
		if ctx.Err() == nil && protocol.CodeOf(err) != protocol.NotFound {
			c.t.Errorf("console of %s: the follow ended: %v", id, err)
		}
	}()
	return l
}

func (l *lines) add(c *chaos, line client.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line.Seq != l.last+1 {
		c.t.Errorf("console of %s: line %d (%s) follows %d", l.server, line.Seq, line.Text, l.last)
	}
	if line.Kind == "gap" {
		c.t.Errorf("console of %s: a gap at ≤ 1,000 lines/s: %s", l.server, line.Text)
	}
	l.last = line.Seq
	l.text[line.Seq] = line.Text
}

// reaches waits until the viewer has seen line seq and tells how long that took; limit is the longest it waits.
func (l *lines) reaches(seq int64, limit time.Duration) time.Duration {
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		l.mu.Lock()
		there := l.last >= seq
		l.mu.Unlock()
		if took := time.Since(began); there || took > limit {
			return took
		}
	}
}

func (l *lines) end() { l.cancel(); <-l.done }
