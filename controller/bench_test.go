package controller_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
)

// BenchmarkBigFleet: performance.md §4, "controller with 10,000 servers and 1,000 nodes in the store: serving ≤ 2 s after start; list page ≤ 20 ms;
// steady CPU ≤ 10 % of a core". The real program runs on a prepared directory, alone in its process; what is asked goes over HTTP.
// PPP_BENCH_STEADY sets how long its CPU is watched (30 s). Start is the median of five.
func BenchmarkBigFleet(b *testing.B) {
	b.Cleanup(postgrestest.Stop)
	b.Run("bolt", func(b *testing.B) { benchFleet(b, "") })
	b.Run("postgres", func(b *testing.B) { benchFleet(b, postgrestest.Database(b)) })
}

func benchFleet(b *testing.B, address string) {
	f := newBigFleet(b, address)
	program := buildController(b)
	steady := 30 * time.Second
	if d, err := time.ParseDuration(os.Getenv("PPP_BENCH_STEADY")); err == nil {
		steady = d
	}
	for b.Loop() {
		var starts []time.Duration
		var d *daemon
		for i := range 5 {
			d = startController(b, program, f)
			starts = append(starts, d.ready)
			if i < 4 {
				d.stop(b)
			}
		}
		b.ReportMetric(median(starts).Seconds(), "start-s")
		d.pages(b)
		b.ReportMetric(d.load(b, steady), "alone-%core")
		hangUp := f.connect(b, d.tunnel)
		wait(b, 5*time.Second)
		b.ReportMetric(d.load(b, steady), "agents-%core")
		b.ReportMetric(float64(d.rss(b))/(1<<20), "rss-MB")
		d.stop(b)
		hangUp()
	}
}

// pages times what people and programs ask for.
func (d *daemon) pages(b *testing.B) {
	b.Helper()
	for _, p := range []struct {
		name string
		n    int
		path func() string
	}{
		{"servers", 300, func() string {
			return fmt.Sprintf("/api/servers?limit=100&cursor=s%04d-5", rand.IntN(fleetNodes-50))
		}},
		{"servers500", 60, func() string {
			return fmt.Sprintf("/api/servers?limit=500&cursor=s%04d-5", rand.IntN(fleetNodes-100))
		}},
		{"nodes", 200, func() string { return fmt.Sprintf("/api/nodes?limit=100&cursor=n%04d", rand.IntN(fleetNodes-150)) }},
		{"status", 20, func() string { return "/api/conductor/status" }},
		{"metrics", 20, func() string { return "/metrics" }},
	} {
		var took []time.Duration
		before := d.cpu(b)
		for range p.n {
			took = append(took, d.get(b, p.path()))
		}
		b.ReportMetric(ms(quantile(took, 0.5)), p.name+"-p50-ms")
		b.ReportMetric(ms(quantile(took, 0.99)), p.name+"-p99-ms")
		b.ReportMetric(ms(d.cpu(b)-before)/float64(p.n), p.name+"-cpu-ms")
	}
}

// daemon is a running controller.
type daemon struct {
	cmd    *exec.Cmd
	url    string
	tunnel string
	token  string
	ready  time.Duration // from exec to /readyz 200
	done   chan error
}

func buildController(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "controller")
	cmd := exec.Command("go", "build", "-o", program, "github.com/payperplay/payperplay/cmd/controller")
	cmd.Stderr = os.Stderr
	must(b, cmd.Run())
	return program
}

func startController(b *testing.B, program string, f *bigFleet) *daemon {
	b.Helper()
	d := &daemon{cmd: exec.Command(program, "serve", "--data", f.dir, "--store", f.store, "--http", "127.0.0.1:0", "--tunnel", "127.0.0.1:0", "--log-level", "warn"), done: make(chan error, 1)}
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	must(b, err)
	began := time.Now()
	must(b, d.cmd.Start())
	b.Cleanup(func() { _ = d.cmd.Process.Kill() })
	in := bufio.NewScanner(out)
	for d.tunnel == "" && in.Scan() {
		fields := strings.Fields(in.Text())
		switch {
		case strings.Contains(in.Text(), "web UI and API"):
			d.url = fields[len(fields)-1]
		case strings.Contains(in.Text(), "agents dial"):
			d.tunnel = fields[len(fields)-1]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out); d.done <- d.cmd.Wait() }()
	for {
		resp, err := http.Get(d.url + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		wait(b, 2*time.Millisecond)
	}
	d.ready = time.Since(began)
	text, err := os.ReadFile(filepath.Join(f.dir, "operator.token"))
	must(b, err)
	d.token = strings.TrimSpace(string(text))
	return d
}

func (d *daemon) stop(b *testing.B) {
	b.Helper()
	must(b, d.cmd.Process.Signal(syscall.SIGTERM))
	must(b, <-d.done)
}

// get asks for a page and gives the time until its last byte.
func (d *daemon) get(b *testing.B, path string) time.Duration {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, d.url+path, nil)
	must(b, err)
	req.Header.Set("Authorization", "Bearer "+d.token)
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	must(b, err)
	_, err = io.Copy(io.Discard, resp.Body)
	must(b, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s", path, resp.Status)
	}
	return time.Since(began)
}

// load is the CPU the process uses over a while, in percent of a core.
func (d *daemon) load(b *testing.B, over time.Duration) float64 {
	b.Helper()
	before, began := d.cpu(b), time.Now()
	wait(b, over)
	return 100 * float64(d.cpu(b)-before) / float64(time.Since(began))
}

// cpu is what the process has used so far; the kernel counts it in hundredths of a second.
func (d *daemon) cpu(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	must(b, err)
	fields := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// rss is the resident memory of the process, in bytes.
func (d *daemon) rss(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", d.cmd.Process.Pid))
	must(b, err)
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(all []time.Duration) time.Duration { return quantile(all, 0.5) }

func quantile(all []time.Duration, q float64) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

// wait lets time pass for real: what is measured is what happens in it.
func wait(b *testing.B, d time.Duration) {
	b.Helper()
	select {
	case <-time.After(d):
	case <-b.Context().Done():
	}
}
