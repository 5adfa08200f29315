package tunnel

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/protocol"
)

type metrics struct {
	ends     *prometheus.CounterVec
	reports  prometheus.Counter
	renewals prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, a *Agent) *metrics {
	m := &metrics{
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_agent_tunnel_ends_total", Help: "Sessions and attempts that ended, by kind of the reason.",
		}, []string{"code"}),
		reports: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "payperplay_agent_reports_acknowledged_total", Help: "Reports that the controller has taken.",
		}),
		renewals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "payperplay_agent_renewals_total", Help: "Certificates renewed over the tunnel.",
		}),
	}
	connected := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "payperplay_agent_tunnel_connected", Help: "1 while a session with the controller is open.",
	}, func() float64 {
		if a.Status().Connected {
			return 1
		}
		return 0
	})
	expiry := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "payperplay_agent_certificate_expiry_timestamp_seconds", Help: "When the node's certificate ends; 0 when it has none.",
	}, func() float64 {
		if i := a.identity(); i != nil {
			return float64(i.leaf.NotAfter.Unix())
		}
		return 0
	})
	reg.MustRegister(m.ends, m.reports, m.renewals, connected, expiry)
	return m
}

func (m *metrics) ended(err error) {
	m.ends.WithLabelValues(string(protocol.CodeOf(err))).Inc()
}
