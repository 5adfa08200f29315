package upkeep

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	trimmed *prometheus.CounterVec
	level   *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer, u *Upkeep) (*metrics, error) {
	m := &metrics{
		trimmed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_rows_trimmed_total", Help: "Rows deleted because their time was over, by kind.",
		}, []string{"what"}),
		level: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "payperplay_limit_level", Help: "How near a limit is: 0 fine, 1 act soon, 2 something does not work any more.",
		}, []string{"limit"}),
	}
	if reg == nil {
		return m, nil
	}
	disk := func(name, help string, of func(Disk) int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			d, err := u.o.Disk(u.o.Data)
			if err != nil {
				return 0
			}
			return float64(of(d))
		})
	}
	return m, errors.Join(reg.Register(m.trimmed), reg.Register(m.level),
		reg.Register(disk("payperplay_data_disk_free_bytes", "Free bytes of the disk that holds the controller's data.", func(d Disk) int64 { return d.Free })),
		reg.Register(disk("payperplay_data_disk_bytes", "Size of the disk that holds the controller's data.", func(d Disk) int64 { return d.Total })))
}

func (m *metrics) trim(what string, n int64) { m.trimmed.WithLabelValues(what).Add(float64(n)) }

func (m *metrics) show(all []Reading) {
	for _, r := range all {
		m.level.WithLabelValues(r.Name).Set(map[Level]float64{OK: 0, Warn: 1, Fail: 2}[r.Level])
	}
}
