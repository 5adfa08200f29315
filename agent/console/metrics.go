package console

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	lines     prometheus.Counter
	dropped   prometheus.Counter
	gaps      prometheus.Counter
	failures  prometheus.Counter
	reopened  prometheus.Counter
	commands  *prometheus.CounterVec
	followers prometheus.Gauge
}

// measure shows how much disk the histories take.
func (c *Console) measure(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	bytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "payperplay", Subsystem: "agent_console", Name: "bytes", Help: "Disk that the consoles' histories take, of those in use.",
	}, func() float64 {
		c.mu.Lock()
		all := c.list()
		c.mu.Unlock()
		var total int64
		for _, s := range all {
			total += s.book.bytes()
		}
		return float64(total)
	})
	if err := reg.Register(bytes); err != nil {
		return fmt.Errorf("console: register metrics: %w", err)
	}
	return nil
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "payperplay", Subsystem: "agent_console", Name: name, Help: help})
	}
	m := &metrics{
		lines:    counter("lines_total", "Console lines written to the histories."),
		dropped:  counter("dropped_lines_total", "Console lines dropped because a server printed too much."),
		gaps:     counter("gaps_total", "Gap lines written."),
		failures: counter("write_failures_total", "Failed writes or syncs of a history."),
		reopened: counter("log_streams_total", "Log streams opened at the container engine."),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "payperplay", Subsystem: "agent_console", Name: "commands_total", Help: "Commands sent to games, by way and outcome.",
		}, []string{"via", "outcome"}),
		followers: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "payperplay", Subsystem: "agent_console", Name: "followers", Help: "Followers of consoles now.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.lines, m.dropped, m.gaps, m.failures, m.reopened, m.commands, m.followers} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("console: register metrics: %w", err)
		}
	}
	return m, nil
}
