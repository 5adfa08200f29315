package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
)

// settle waits until nothing is under way any more: I6.
func (c *chaos) settle(limit time.Duration) {
	c.t.Helper()
	began := time.Now()
	c.waitReady()
	var open string
	for time.Since(began) < limit {
		if open = c.unsettled(); open == "" {
			c.note("settled after %v", time.Since(began))
			c.t.Logf("settled %v after the last fault", time.Since(began).Round(100*time.Millisecond))
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Errorf("I6 not settled %v after the last fault: %s", limit, open)
}

func (c *chaos) unsettled() string {
	ctx, cancel := c.call()
	defer cancel()
	nodes, err := c.client.Nodes(ctx)
	if err != nil || len(nodes) != 1 || !nodes[0].Connected {
		return fmt.Sprint("the node is not connected ", err)
	}
	for _, w := range c.wards {
		s, err := c.client.Server(ctx, w.name)
		if err != nil {
			return err.Error()
		}
		if s.Op != nil || s.Waiting != nil || s.State != s.Desired {
			return fmt.Sprintf("%s (%s) is to be %s and is %s, op %+v, exit %+v: %s", s.Name, s.ID, s.Desired, s.State, s.Op, s.Exit, s.Explain)
		}
		if _, err := c.client.Logs(ctx, w.name, client.LogsQuery{Tail: 1}); err != nil && s.HasVolume {
			return err.Error() // "connected" may be what was true a moment ago
		}
		for _, id := range w.gone {
			if s, err := c.client.Server(ctx, id); err == nil {
				return fmt.Sprintf("%s (%s) is to be deleted and is %s: %s", w.name, id, s.State, s.Explain)
			}
		}
	}
	return ""
}

// invariants checks everything of reliability.md §2.1 that one node can show.
func (c *chaos) invariants(before map[string]int) {
	c.t.Helper()
	rows := map[string]bool{}
	for _, w := range c.wards {
		s := c.server(w.name)
		rows[s.ID] = true
		c.checkAcknowledged(w, s)
		c.checkWorld(w, s)
	}
	c.checkLeftovers(rows)
	c.checkBooked()
	c.checkEvents()
	for name, n := range c.goroutines() {
		c.t.Logf("goroutines of the %s: %d, then %d", name, before[name], n)
		if n > before[name]+40 {
			c.t.Errorf("I7 goroutines of the %s: %d before, %d after", name, before[name], n)
		}
	}
	c.t.Logf("%d looks at Docker", c.watch.polls)
}

// checkBooked: what is booked is what the running containers may use, and whoever runs with other settings than asked for is told so.
func (c *chaos) checkBooked() {
	c.t.Helper()
	all, err := c.watch.engine.list(c.t.Context(), "containers")
	if err != nil {
		c.t.Fatal(err)
	}
	limits := int64(0)
	for _, o := range all {
		if !o.runs() {
			continue
		}
		limit, err := c.watch.engine.memory(c.t.Context(), o.ID)
		if err != nil {
			c.t.Fatal(err)
		}
		limits += limit
		for _, w := range c.wards {
			if s := c.server(w.name); s.ID == o.server() && s.MemoryBytes != limit && !s.RestartRequired {
				c.t.Errorf("%s has %d MiB, its container %d MiB, restart required %v", w.name, s.MemoryBytes>>20, limit>>20, s.RestartRequired)
			}
		}
	}
	node, err := c.client.Node(c.t.Context(), "node-1")
	if err != nil {
		c.t.Fatal(err)
	}
	if node.MemoryBookedBytes != limits {
		c.t.Errorf("booked memory %d MiB, the running containers may use %d MiB", node.MemoryBookedBytes>>20, limits>>20)
	}
}

// checkAcknowledged is I5 and, for the one that nobody touched, I13.
func (c *chaos) checkAcknowledged(w *ward, s client.Server) {
	c.t.Helper()
	if s.ID != w.id {
		c.t.Errorf("I5 %s is %s, the one that was acknowledged is %s", w.name, s.ID, w.id)
	}
	if !w.desired[s.Desired] || !w.motd[s.Env["MOTD"]] || !w.memory[s.MemoryBytes] {
		c.t.Errorf("I5 %s: desired %s (of %v), MOTD %q (of %v), memory %d (of %v)", w.name, s.Desired, w.desired, s.Env["MOTD"], w.motd, s.MemoryBytes, w.memory)
	}
	if w == c.steady && (s.StartedAt == nil || !s.StartedAt.Equal(w.started) || s.Restarts != 0 || s.Epoch != 1) {
		c.t.Errorf("I13 a game nobody touched was interrupted: started %v, then %v; restarts %d, epoch %d", w.started, s.StartedAt, s.Restarts, s.Epoch)
	}
}

var recordLine = regexp.MustCompile(`: (record|World has) (\d+)( records)?$`)

// checkWorld is I1 and I2 by what the game itself wrote, and the console's history.
func (c *chaos) checkWorld(w *ward, s client.Server) {
	c.t.Helper()
	history := c.history(s)
	world := filepath.Join(c.dir, "agent", "volumes", s.ID, "data", "world")
	kept := countLines(filepath.Join(world, "records.log"))
	last, games := 0, 0
	for _, l := range history {
		m := recordLine.FindStringSubmatch(l.Text)
		if l.Kind != "" || m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[2])
		switch {
		case m[1] == "World has" && n < last:
			c.t.Errorf("I2 %s: record %d was reported, then the world had %d", w.name, last, n)
		case m[1] == "World has":
			games++
		case n != last+1:
			c.t.Errorf("console of %s: record %d follows %d", w.name, n, last)
		}
		last = n
	}
	if last > kept {
		c.t.Errorf("I2 %s: record %d was reported, the world has %d", w.name, last, kept)
	}
	c.t.Logf("%s: %d games, %d records reported, %d kept, %d console lines", w.name, games, last, kept, len(history))
	c.checkWitness(w, filepath.Join(world, "witness.log"), s.Epoch)
}

// history reads the whole console and compares it with what the viewer saw live.
func (c *chaos) history(s client.Server) []client.Line {
	c.t.Helper()
	var live *lines
	for _, w := range c.wards {
		if w.id == s.ID {
			live = w.lines
		}
	}
	if took := live.reaches(c.head(s), 15*time.Second); took > 5*time.Second {
		c.t.Errorf("console of %s: the viewer was current only %v after it was calm", s.Name, took)
	}
	live.mu.Lock()
	seenUpTo := live.last
	live.mu.Unlock()
	var all []client.Line
	for from := int64(1); ; {
		page, err := c.client.Logs(c.t.Context(), s.ID, client.LogsQuery{From: from, Limit: 10000})
		if err != nil {
			c.t.Errorf("console of %s: %v", s.Name, err)
			return nil
		}
		all = append(all, page.Lines...)
		if !page.More || len(page.Lines) == 0 {
			break
		}
		from = page.Lines[len(page.Lines)-1].Seq + 1
	}
	live.mu.Lock()
	defer live.mu.Unlock()
	for i, l := range all {
		if l.Seq != int64(i+1) {
			c.t.Errorf("console of %s: history has %d at place %d (%s)", s.Name, l.Seq, i+1, l.Text)
			break
		}
		if seen, ok := live.text[l.Seq]; ok && seen != l.Text {
			c.t.Errorf("console of %s: line %d was %q and is %q", s.Name, l.Seq, seen, l.Text)
		}
	}
	if seenUpTo > int64(len(all)) {
		c.t.Errorf("console of %s: line %d was seen live, the history has %d", s.Name, seenUpTo, len(all))
	}
	return all
}

// head is the number of the newest line.
func (c *chaos) head(s client.Server) int64 {
	c.t.Helper()
	page, err := c.client.Logs(c.t.Context(), s.ID, client.LogsQuery{Tail: 1})
	if err != nil {
		c.t.Errorf("console of %s: %v", s.Name, err)
	}
	return page.Head
}

func countLines(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return strings.Count(string(b), "\n")
}

// checkWitness: testimonies of one game are numbered 1, 2, 3 …; two games that overlap mix their numbers.
func (c *chaos) checkWitness(w *ward, path string, epoch int64) {
	c.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		return // it never ran
	}
	defer f.Close()
	var prev struct {
		Epoch string `json:"epoch"`
		Seq   int    `json:"seq"`
		T     int64  `json:"t"`
	}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		now := prev
		if err := json.Unmarshal(sc.Bytes(), &now); err != nil {
			c.t.Errorf("I1 %s: %q: %v", w.name, sc.Text(), err)
			continue
		}
		if (now.Seq != 1 && now.Seq != prev.Seq+1) || now.T < prev.T {
			c.t.Errorf("I1 %s: the world was run twice at once: %+v follows %+v", w.name, now, prev)
		}
		if now.Epoch != fmt.Sprint(epoch) {
			c.t.Errorf("I1 %s: run at epoch %s, assigned once at %d", w.name, now.Epoch, epoch)
		}
		prev = now
	}
}

// checkLeftovers is I7: nothing without a row.
func (c *chaos) checkLeftovers(rows map[string]bool) {
	c.t.Helper()
	for _, what := range []string{"containers", "networks"} {
		all, err := c.watch.engine.list(c.t.Context(), what)
		if err != nil {
			c.t.Fatal(err)
		}
		have := map[string]int{}
		for _, o := range all {
			have[o.server()]++
			if !rows[o.server()] {
				c.t.Errorf("I7 %s: %.12s of %s has no row", what, o.ID, o.server())
			}
		}
		for id, n := range have {
			if n > 1 {
				c.t.Errorf("I7 %s has %d %s", id, n, what)
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(c.dir, "agent", "volumes"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range entries {
		if !rows[e.Name()] {
			c.t.Errorf("I7 the volume %s has no row", e.Name())
		}
	}
	if aside, _ := os.ReadDir(filepath.Join(c.dir, "agent", "quarantine")); len(aside) > 0 {
		c.t.Errorf("I7 a world was set aside: %v", aside)
	}
	for _, dir := range []string{"agent", "controller"} {
		for _, pattern := range []string{"*.tmp*", ".*tmp*", "*/*.tmp*"} {
			if left, _ := filepath.Glob(filepath.Join(c.dir, dir, pattern)); len(left) > 0 {
				c.t.Errorf("I7 temporary files are left: %v", left)
			}
		}
	}
}

// checkEvents: the durable log has no hole, and the live viewer saw the same.
func (c *chaos) checkEvents() {
	c.t.Helper()
	all := c.events(0)
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	for i, e := range all {
		if e.Seq != all[0].Seq+int64(i) {
			c.t.Errorf("events: %d at place %d", e.Seq, i)
			break
		}
		if seen, ok := c.watch.seen[e.Seq]; ok && !strings.HasPrefix(seen, e.Type+" ") {
			c.t.Errorf("event %d was %s and is %s %s", e.Seq, seen, e.Type, e.Server)
		}
	}
	c.t.Logf("%d events", len(all))
}

func (c *chaos) events(after int64) []client.Event {
	c.t.Helper()
	var all []client.Event
	for {
		page, err := c.client.Events(c.t.Context(), client.EventsQuery{After: after, Limit: 500})
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, page.Items...)
		if len(page.Items) == 0 || page.Next == "" {
			return all
		}
		after = page.Items[len(page.Items)-1].Seq
	}
}

// goroutines reads them from the metrics of the daemons.
func (c *chaos) goroutines() map[string]int {
	c.t.Helper()
	n := map[string]int{}
	for name, url := range map[string]string{"controller": "http://" + c.http + "/metrics", "agent": "http://" + c.agentMetrics() + "/metrics"} {
		resp, err := http.Get(url) //nolint:noctx // a test against localhost
		if err != nil {
			c.t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			c.t.Fatal(err)
		}
		m := regexp.MustCompile(`(?m)^go_goroutines (\d+)`).FindSubmatch(b)
		if m == nil {
			c.t.Fatalf("%s: no go_goroutines", url)
		}
		n[name], _ = strconv.Atoi(string(m[1]))
	}
	return n
}

func (c *chaos) agentMetrics() string {
	i := slices.Index(c.agent.args, "--metrics")
	return c.agent.args[i+1]
}

// restartChangesNothing is I14: both daemons are killed and started, and all is as before.
func (c *chaos) restartChangesNothing() {
	c.t.Helper()
	before, containers := c.picture()
	log := c.events(0)
	c.note("I14: both killed once more")
	c.agent.end(syscall.SIGKILL)
	c.controller.end(syscall.SIGKILL)
	c.controller.start()
	c.agent.start()
	c.settle(20 * time.Second)
	time.Sleep(2 * time.Second) // whatever wants to happen may happen
	after, still := c.picture()
	if before != after {
		c.t.Errorf("I14 a restart changed something:\n%s\n%s", before, after)
	}
	if !slices.Equal(containers, still) {
		c.t.Errorf("I14 containers %v, then %v", containers, still)
	}
	for _, e := range c.events(log[len(log)-1].Seq) {
		if !strings.HasPrefix(e.Type, "node.") {
			c.t.Errorf("I14 a restart made the event %d %s %s %v", e.Seq, e.Type, e.Server, e.Data)
		}
	}
	c.controller.end(syscall.SIGTERM)
	if res := c.cli("store", "check", "--data", filepath.Join(c.dir, "controller")); res.code != 0 {
		c.t.Errorf("I5 store check: %s%s", res.out, res.err)
	}
	c.controller.start()
	c.waitReady()
}

// picture is what a restart must not change.
func (c *chaos) picture() (string, []string) {
	c.t.Helper()
	var b strings.Builder
	for _, w := range c.wards {
		s := c.server(w.name)
		fmt.Fprintf(&b, "%s %s %s %s epoch %d revision %d desired %s started %v restarts %d env %v memory %d\n",
			s.Name, s.ID, s.State, s.Address, s.Epoch, s.Revision, s.Desired, s.StartedAt, s.Restarts, s.Env, s.MemoryBytes)
	}
	all, err := c.watch.engine.list(c.t.Context(), "containers")
	if err != nil {
		c.t.Fatal(err)
	}
	var running []string
	for _, o := range all {
		if o.runs() {
			running = append(running, o.ID)
		}
	}
	sort.Strings(running)
	return b.String(), running
}
