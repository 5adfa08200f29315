package console

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// BenchmarkThousandViewers measures "1,000 lines/s to 1,000 viewers p99 < 100 ms" (performance.md §2) in one process: from the line on the node to the
// viewer's emit. The yardstick is one viewer alone in the same run.
func BenchmarkThousandViewers(b *testing.B) {
	one := fanOut(b, 1)
	many := fanOut(b, 1_000)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(one.Microseconds())/1000, "one-p99-ms")
	b.ReportMetric(float64(many.Microseconds())/1000, "thousand-p99-ms")
}

// fanOut gives the p99 delay over all lines and viewers at 1,000 lines/s for three seconds.
func fanOut(b *testing.B, viewers int) time.Duration {
	c, _, n := setup(b, Options{})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	late := make([][]time.Duration, viewers)
	const lines = 3_000
	var reading sync.WaitGroup // each until its last line
	reading.Add(viewers)
	for i := range viewers {
		wg.Go(func() {
			_ = c.Follow(ctx, "srv_a", 0, func(batch protocol.LineBatch) error {
				now := time.Now()
				for _, l := range batch.Lines {
					late[i] = append(late[i], now.Sub(l.Time))
					if l.Seq == lines {
						reading.Done()
					}
				}
				return nil
			})
		})
	}
	start := time.Now()
	for i := range lines {
		if wait := time.Until(start.Add(time.Duration(i) * time.Millisecond)); wait > 0 {
			time.Sleep(wait)
		}
		n.say(1, 80)
	}
	reading.Wait()
	cancel()
	wg.Wait()
	_ = c.Close()
	var all []time.Duration
	for i := range late {
		if len(late[i]) != lines {
			b.Fatalf("viewer %d got %d lines", i, len(late[i]))
		}
		all = append(all, late[i]...)
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}
