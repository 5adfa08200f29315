package provision

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/fleet"
)

type metrics struct {
	machines *prometheus.GaugeVec
	orders   *prometheus.CounterVec
	boot     *prometheus.HistogramVec
	hourly   prometheus.Gauge
	today    prometheus.Gauge
	garbage  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		machines: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "payperplay_machines", Help: "Rented machines by phase (ordering, booting, proving, serving, draining, deleting).",
		}, []string{"phase"}),
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_machine_orders_total", Help: "What became of orders: created, adopted, never_joined, failed, or the kind of the provider's error (no_stock, limit, uncertain, …).",
		}, []string{"result"}),
		boot: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "payperplay_machine_boot_seconds", Help: "From the order of a machine until servers may be placed on it: in all (part total), and what of it was not the provider's or the machine's (part ours).",
			Buckets: []float64{.1, .5, 1, 5, 10, 20, 30, 60, 120, 240, 480},
		}, []string{"part"}),
		hourly: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payperplay_cloud_cost_euros_per_hour", Help: "Price per hour of all machines that cost or may cost now, net.",
		}),
		today: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payperplay_cloud_cost_euros_today", Help: "Price of the machines' hours that have started since midnight UTC, net.",
		}),
		garbage: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_cloud_garbage_total", Help: "Things in the cloud that no row knew, by kind and what was done (adopt, delete, failed).",
		}, []string{"kind", "did"}),
	}
	reg.MustRegister(m.machines, m.orders, m.boot, m.hourly, m.today, m.garbage)
	return m
}

// seen sets the gauges from rows that ReadMachines gave, and builders of images, which count as money only; whole: those that were there
// today are among them.
func (m *metrics) seen(rows, builders []Machine, now time.Time, whole bool) {
	count := map[Phase]int{Ordering: 0, Booting: 0, Proving: 0, Serving: 0, Draining: 0, Deleting: 0}
	var hourly fleet.MicroEuro
	for _, r := range rows {
		if r.Costs() {
			count[r.Phase]++
			hourly += r.Hourly
		}
	}
	for _, r := range builders {
		if r.Costs() {
			hourly += r.Hourly
		}
	}
	for phase, n := range count {
		m.machines.WithLabelValues(string(phase)).Set(float64(n))
	}
	m.hourly.Set(float64(hourly) / float64(fleet.Euro))
	if whole {
		m.today.Set(float64(Spent(rows, now)+Spent(builders, now)) / float64(fleet.Euro))
	}
}

// served notes how long a machine took. Ours is the time until the order was sent and the time from the agent's joining on.
func (m *metrics) served(r Machine) {
	m.boot.WithLabelValues("total").Observe(r.ServingAt.Sub(r.OrderedAt).Seconds())
	m.boot.WithLabelValues("ours").Observe((r.SentAt.Sub(r.OrderedAt) + r.ServingAt.Sub(r.JoinedAt)).Seconds())
}
