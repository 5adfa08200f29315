package console

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func rssMiB() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var total, resident int
	_, _ = fmt.Sscan(string(text), &total, &resident)
	return float64(resident*os.Getpagesize()) / (1 << 20)
}

// BenchmarkFloodIsolation measures "one server flooding its console: other servers' console p99 < 50 ms, agent RSS bounded" (performance.md §2) and
// "agent CPU ≤ 10 %" (reliability.md F29): one container prints as fast as the engine takes it, another 200 lines/s. The CPU is that of this process, which is the agent's console.
func BenchmarkFloodIsolation(b *testing.B) {
	d := needDocker(b)
	const calmLines = 1_600
	c, err := New(Options{Dir: filepath.Join(b.TempDir(), "console"), Boot: "b"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	calm := container(b, "5m", fmt.Sprintf("FLOOD=200:%d", calmLines/200))
	loud := container(b, "5m", "FLOOD=2000000:8")
	rss, cpu, start := rssMiB(), cpuTime(), time.Now()
	for server, id := range map[string]string{"srv_calm": calm, "srv_loud": loud} {
		if err := c.Attach(b.Context(), server, d.Terminal(id), Upstream{}); err != nil {
			b.Fatal(err)
		}
	}
	yard := watchAttach(b, calm, calmLines)
	var late []time.Duration
	stamps := map[int]time.Time{}
	peak := rss
	enough := errors.New("enough")
	_ = c.Follow(b.Context(), protocol.FollowRequest{Server: "srv_calm"}, func(batch protocol.LineBatch) error {
		for _, l := range batch.Lines {
			if n := floodNumbers([]protocol.Line{l}); len(n) > 0 {
				if l.Time.After(start.Add(200 * time.Millisecond)) { // older ones were printed before we came
					late = append(late, time.Since(l.Time))
					stamps[n[0]] = l.Time
				}
				if n[0] == calmLines {
					return enough
				}
			}
		}
		if len(late)%50 == 0 {
			peak = max(peak, rssMiB())
		}
		return nil
	})
	wall := time.Since(start)
	used := cpuTime() - cpu
	slices.Sort(late)
	_, head := c.known("srv_loud").book.span()
	gaps, silent, lost, last, told := 0, 0, 0, 0, true
	_ = c.known("srv_loud").book.scan(b.Context(), 1, func(l protocol.Line) bool {
		if l.Kind == protocol.LineGap {
			gaps++
			told = true
		}
		for _, n := range floodNumbers([]protocol.Line{l}) {
			if n != last+1 && !told {
				silent++
				lost += n - last - 1
			}
			last, told = n, false
		}
		return true
	})
	b.ReportMetric(float64(silent), "silent-holes")
	b.ReportMetric(float64(lost), "silently-lost")
	var theirs []time.Duration
	for n, at := range yard() {
		if stamp, ok := stamps[n]; ok {
			theirs = append(theirs, at.Sub(stamp))
		}
	}
	slices.Sort(theirs)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(theirs[len(theirs)*99/100].Microseconds())/1000, "attach-p99-ms")
	b.ReportMetric(float64(late[len(late)/2].Microseconds())/1000, "calm-p50-ms")
	b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "calm-p99-ms")
	b.ReportMetric(100*used.Seconds()/wall.Seconds(), "cpu-%")
	b.ReportMetric(peak-rss, "rss-growth-MiB")
	b.ReportMetric(float64(head)/wall.Seconds(), "kept-lines/s")
	b.ReportMetric(float64(gaps), "gaps")
}

// BenchmarkHistory measures the work per line: parse, clean, write, and read back for one follower.
func BenchmarkHistory(b *testing.B) {
	c, err := New(Options{Dir: filepath.Join(b.TempDir(), "console"), Boot: "b"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	s, err := c.server("srv_a")
	if err != nil {
		b.Fatal(err)
	}
	one := []protocol.Line{{Time: timeAt(1), Text: strings.Repeat("x", 80)}}
	r := s.book.reader(1)
	defer r.close()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.put(s, one, &place{source: "c"}); err != nil {
			b.Fatal(err)
		}
		if lines, _, err := r.read(); err != nil || len(lines) != 1 {
			b.Fatal(err, len(lines))
		}
	}
}
