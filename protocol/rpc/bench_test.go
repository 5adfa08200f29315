package rpc

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// Each benchmark measures ours and its yardstick in turns within one run and reports the ratio; the figures are performance.md §1's.

// plainPair is a TLS connection without anything of ours.
func plainPair(b testing.TB, l net.Listener, addr string) (client, server *tls.Conn) {
	b.Helper()
	sc, cc := testTLS(b)
	sc.DynamicRecordSizingDisabled, cc.DynamicRecordSizingDisabled = false, false
	ch := make(chan *tls.Conn, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		c := tls.Server(raw, sc)
		_ = c.Handshake()
		ch <- c
	}()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	client = tls.Client(raw, cc)
	if err := client.Handshake(); err != nil {
		b.Fatal(err)
	}
	server = <-ch
	b.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

func listen(b testing.TB) net.Listener {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	return l
}

// quantile of the sorted or unsorted d.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

// echoTLS answers each 100 bytes with 100 bytes.
func echoTLS(c net.Conn) {
	buf := make([]byte, 100)
	for {
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

func roundTrip(b testing.TB, c net.Conn, buf []byte) time.Duration {
	start := time.Now()
	if _, err := c.Write(buf); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c, buf); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkCall: a call with 100 B each way ≤ 2.5 × a round trip on a kept TLS connection (p50), ≤ 4 × (p99).
func BenchmarkCall(b *testing.B) {
	l := listen(b)
	client, server := plainPair(b, l, l.Addr().String())
	go echoTLS(server)
	_, controller := pair(b, benchMux(), nil, nil)
	buf := make([]byte, 100)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	call := func() time.Duration {
		start := time.Now()
		if _, err := Call(ctx, controller, command, say(payload)); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var raw, ours []time.Duration
	var ratios []float64 // of neighbours: what else runs on the machine changes by the second
	for b.Loop() {
		at := len(raw)
		for range 200 {
			raw = append(raw, roundTrip(b, client, buf))
		}
		for range 200 {
			ours = append(ours, call())
		}
		ratios = append(ratios, float64(quantile(slices.Clone(ours[at:]), .5))/float64(quantile(slices.Clone(raw[at:]), .5)))
	}
	slices.Sort(ratios)
	b.ReportMetric(float64(quantile(raw, .5))/1e3, "raw-p50-µs")
	b.ReportMetric(float64(quantile(ours, .5))/1e3, "call-p50-µs")
	b.ReportMetric(ratios[len(ratios)/2], "p50-ratio")
	b.ReportMetric(ratios[0], "best-p50-ratio")
	b.ReportMetric(float64(quantile(ours, .99))/float64(quantile(raw, .99)), "p99-ratio")
}

// BenchmarkBulkLoopback: one raw stream ≥ 0.80 × raw TLS on loopback with writes of 64 KiB; CPU per GB ≤ 1.4 × raw TLS.
func BenchmarkBulkLoopback(b *testing.B) {
	l := listen(b)
	plain := func() (time.Duration, time.Duration) {
		client, server := plainPair(b, l, l.Addr().String())
		return rawBulk(b, client, server, bulkBytes)
	}
	_, controller := pair(b, benchMux(), nil, func(ao, co *Options) { ao.Window, co.Window = WindowBulk, WindowBulk })
	var rawT, rawC, ourT, ourC time.Duration
	for b.Loop() {
		t, c := plain()
		rawT, rawC = rawT+t, rawC+c
		start, used := time.Now(), cpu()
		if err := CallRaw(b.Context(), controller, protocol.ConsoleExport, protocol.ExportRequest{}, io.Discard); err != nil {
			b.Fatal(err)
		}
		ourT, ourC = ourT+time.Since(start), ourC+cpu()-used
	}
	moved := float64(b.N) * bulkBytes
	b.ReportMetric(moved/rawT.Seconds()/1e6, "raw-MB/s")
	b.ReportMetric(moved/ourT.Seconds()/1e6, "ours-MB/s")
	b.ReportMetric(rawT.Seconds()/ourT.Seconds(), "ratio")
	b.ReportMetric(ourC.Seconds()/rawC.Seconds(), "cpu-ratio")
	b.ReportMetric(ourC.Seconds()/(moved/1e9), "cpu-s/GB")
}

// rawBulk moves n bytes over plain TLS in chunks of bulkChunk.
func rawBulk(b testing.TB, client, server net.Conn, n int) (took, used time.Duration) {
	start, before := time.Now(), cpu()
	go func() {
		buf := make([]byte, bulkChunk)
		for range n / bulkChunk {
			if _, err := server.Write(buf); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, bulkChunk)
	for got := 0; got < n; {
		k, err := client.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		got += k
	}
	return time.Since(start), cpu() - before
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var payload = strings.Repeat("x", 100)

func benchMux() *Mux {
	m := NewMux(allow)
	Handle(m, command, func(_ context.Context, r protocol.CommandRequest) (protocol.CommandReply, error) {
		return protocol.CommandReply{Output: r.Command}, nil
	})
	HandleRaw(m, protocol.ConsoleExport, func(_ context.Context, r protocol.ExportRequest, w io.Writer) error {
		buf := make([]byte, bulkChunk)
		for range bulkBytes / bulkChunk {
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
		return nil
	})
	return m
}

const (
	bulkChunk = 64 << 10
	bulkBytes = 256 << 20
)
