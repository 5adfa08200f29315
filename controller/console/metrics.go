package console

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	viewers  prometheus.Gauge
	streams  prometheus.Gauge
	lines    prometheus.Counter
	skipped  prometheus.Counter
	refused  prometheus.Counter
	commands *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "payperplay", Subsystem: "console", Name: name, Help: help}
	}
	m := &metrics{
		viewers:  prometheus.NewGauge(prometheus.GaugeOpts(opts("viewers", "People watching consoles now."))),
		streams:  prometheus.NewGauge(prometheus.GaugeOpts(opts("streams", "Console streams from nodes now."))),
		lines:    prometheus.NewCounter(prometheus.CounterOpts(opts("lines_total", "Console lines received from nodes."))),
		skipped:  prometheus.NewCounter(prometheus.CounterOpts(opts("skipped_lines_total", "Lines skipped for viewers that were too slow, counted once per viewer."))),
		refused:  prometheus.NewCounter(prometheus.CounterOpts(opts("refused_viewers_total", "Viewers refused because there are too many."))),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts(opts("commands_total", "Commands from people, by outcome.")), []string{"outcome"}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.viewers, m.streams, m.lines, m.skipped, m.refused, m.commands} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("console: register metrics: %w", err)
		}
	}
	return m, nil
}
