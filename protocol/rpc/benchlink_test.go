package rpc

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// The benchmarks of this file go through a line of 20 ms round trip, made by newLink.
const oneWay = 10 * time.Millisecond

// overLink makes sessions through a line of their own.
func overLink(b testing.TB, perSecond float64, mux *Mux, window uint32) (agent, controller *Session, k *link, l net.Listener) {
	b.Helper()
	l = listen(b)
	k = newLink(b, l.Addr().String(), perSecond, oneWay)
	a, c := linkPair(b, l, k)
	agent, controller = sessions(b, a, c, mux, nil, func(ao, co *Options) { ao.Window, co.Window = window, window })
	return agent, controller, k, l
}

// BenchmarkBulkDelayed: one raw stream ≥ 0.95 × raw TLS at 20 ms and 1 Gbit/s.
func BenchmarkBulkDelayed(b *testing.B) {
	const rate, moved = 125e6, 128 << 20
	_, controller, k, l := overLink(b, rate, sizedMux(moved), WindowBulk)
	var rawT, ourT time.Duration
	for b.Loop() {
		client, server := plainPair(b, l, k.addr())
		t, _ := rawBulk(b, client, server, moved)
		rawT += t
		start := time.Now()
		if err := CallRaw(b.Context(), controller, protocol.ConsoleExport, protocol.ExportRequest{}, io.Discard); err != nil {
			b.Fatal(err)
		}
		ourT += time.Since(start)
	}
	b.ReportMetric(float64(b.N)*moved/rawT.Seconds()/1e6, "raw-MB/s")
	b.ReportMetric(float64(b.N)*moved/ourT.Seconds()/1e6, "ours-MB/s")
	b.ReportMetric(rawT.Seconds()/ourT.Seconds(), "ratio")
}

// sizedMux exports n bytes (0 = without end) and echoes commands.
func sizedMux(n int) *Mux {
	m := NewMux(allow)
	Handle(m, command, func(_ context.Context, r protocol.CommandRequest) (protocol.CommandReply, error) {
		return protocol.CommandReply{Output: r.Command}, nil
	})
	HandleRaw(m, protocol.ConsoleExport, func(_ context.Context, _ protocol.ExportRequest, w io.Writer) error {
		buf := make([]byte, bulkChunk)
		for sent := 0; n == 0 || sent < n; sent += len(buf) {
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
		return nil
	})
	return m
}

// counter counts what is written to it.
type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) { c.n += len(p); return len(p), nil }

// echoes makes calls for d and gives their times.
func echoes(b testing.TB, s *Session, d time.Duration) (took []time.Duration) {
	b.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		start := time.Now()
		if _, err := Call(b.Context(), s, command, say(payload)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	return took
}

// besideBulk makes calls on s for d while bulk moves bytes; it gives the calls' times and the bulk rate.
func besideBulk(b testing.TB, s, bulk *Session, d time.Duration) (took []time.Duration, perSecond float64) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	var c counter
	start := time.Now()
	go func() {
		defer close(done)
		_ = CallRaw(ctx, bulk, protocol.ConsoleExport, protocol.ExportRequest{}, &c)
	}()
	time.Sleep(200 * time.Millisecond)
	took = echoes(b, s, d)
	cancel()
	<-done
	return took, float64(c.n) / time.Since(start).Seconds()
}

// BenchmarkEchoBesideBulk: on 200 Mbit/s and 20 ms, a call on the session that also moves bulk takes ≤ 1.3 × (p50) and ≤ 1.5 × (p99)
// what it takes on a connection of its own beside the same bulk; bulk ≥ 0.95 × the line as raw TLS uses it.
func BenchmarkEchoBesideBulk(b *testing.B) {
	const rate = 25e6
	_, shared, k, l := overLink(b, rate, sizedMux(0), WindowBulk)
	a, c := linkPair(b, l, k)
	_, own := sessions(b, a, c, sizedMux(0), nil, nil)
	var together, apart []time.Duration
	var withCalls, raw float64
	for b.Loop() {
		t, r := besideBulk(b, shared, shared, 2*time.Second)
		together, withCalls = append(together, t...), withCalls+r
		time.Sleep(500 * time.Millisecond) // the line empties
		t, _ = besideBulk(b, own, shared, 2*time.Second)
		apart = append(apart, t...)
		time.Sleep(500 * time.Millisecond)
		client, server := plainPair(b, l, k.addr())
		took, _ := rawBulk(b, client, server, 32<<20)
		raw += (32 << 20) / took.Seconds()
	}
	b.ReportMetric(float64(quantile(apart, .5))/1e6, "own-p50-ms")
	b.ReportMetric(float64(quantile(together, .5))/1e6, "shared-p50-ms")
	b.ReportMetric(float64(quantile(together, .5))/float64(quantile(apart, .5)), "p50-ratio")
	b.ReportMetric(float64(quantile(together, .99))/float64(quantile(apart, .99)), "p99-ratio")
	b.ReportMetric(withCalls/raw, "bulk-ratio")
}

// BenchmarkControlUnderBulk: a control call's p99 while the bulk connection fills the line ≤ 2 × its p99 on the idle line (20 ms; 1 Gbit/s).
func BenchmarkControlUnderBulk(b *testing.B) {
	const rate = 125e6
	_, control, k, l := overLink(b, rate, sizedMux(0), WindowControl)
	a, c := linkPair(b, l, k)
	_, bulk := sessions(b, a, c, sizedMux(0), nil, func(ao, co *Options) { ao.Window, co.Window = WindowBulk, WindowBulk })
	var idle, busy []time.Duration
	var rate2 float64
	for b.Loop() {
		idle = append(idle, echoes(b, control, 2*time.Second)...)
		t, r := besideBulk(b, control, bulk, 2*time.Second)
		busy, rate2 = append(busy, t...), rate2+r
		time.Sleep(300 * time.Millisecond)
	}
	b.ReportMetric(float64(quantile(idle, .99))/1e6, "idle-p99-ms")
	b.ReportMetric(float64(quantile(busy, .99))/1e6, "busy-p99-ms")
	b.ReportMetric(float64(quantile(busy, .99))/float64(quantile(idle, .99)), "p99-ratio")
	b.ReportMetric(rate2/float64(b.N)/1e6, "bulk-MB/s")
}

// BenchmarkDeadPeer: a line that goes silent is noticed ≤ 10 s later on both ends, with the default figures, over TLS.
func BenchmarkDeadPeer(b *testing.B) {
	var slowest time.Duration
	for range b.N {
		a, c := tlsPair(b)
		l := newLine()
		agent, controller := sessions(b, l.end(a), l.end(c), nil, nil, nil)
		time.Sleep(time.Second)
		start := time.Now()
		l.freeze()
		<-agent.Done()
		<-controller.Done()
		slowest = max(slowest, time.Since(start))
	}
	b.ReportMetric(slowest.Seconds(), "s-to-notice")
}
