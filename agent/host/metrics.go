package host

import "github.com/prometheus/client_golang/prometheus"

// collector gives the newest sample to Prometheus.
type collector struct{ h *Host }

var (
	labels     = []string{"server"}
	descMemory = prometheus.NewDesc("payperplay_server_memory_bytes", "Memory a server uses, without cache.", labels, nil)
	descLimit  = prometheus.NewDesc("payperplay_server_memory_limit_bytes", "Memory a server may use.", labels, nil)
	descCPU    = prometheus.NewDesc("payperplay_server_cpu_seconds_total", "CPU time a server used since its container started.", labels, nil)
	descDisk   = prometheus.NewDesc("payperplay_server_disk_bytes", "Disk a server's volume takes.", labels, nil)
	descRx     = prometheus.NewDesc("payperplay_server_network_receive_bytes_total", "Bytes a server received.", labels, nil)
	descTx     = prometheus.NewDesc("payperplay_server_network_transmit_bytes_total", "Bytes a server sent.", labels, nil)
	descPlay   = prometheus.NewDesc("payperplay_server_players", "Players, -1 when unknown.", labels, nil)
	descConns  = prometheus.NewDesc("payperplay_server_connections", "Established connections to the game port, -1 when unknown.", labels, nil)
	descTPS    = prometheus.NewDesc("payperplay_server_tps", "Ticks per second, -1 when unknown.", labels, nil)
	descUsed   = prometheus.NewDesc("payperplay_node_memory_used_bytes", "Memory in use on the machine.", nil, nil)
	descBusy   = prometheus.NewDesc("payperplay_node_cpu_busy_ratio", "Share of the machine's CPU in use over the last interval.", nil, nil)
	descFull   = prometheus.NewDesc("payperplay_node_disk_used_bytes", "Disk in use where the agent's data is.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descMemory, descLimit, descCPU, descDisk, descRx, descTx, descPlay, descConns, descTPS, descUsed, descBusy, descFull} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.h.mu.Lock()
	s := c.h.sample
	c.h.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, l ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, l...)
	}
	count := func(d *prometheus.Desc, v float64, l ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, l...)
	}
	gauge(descUsed, float64(s.Host.MemoryUsed))
	gauge(descBusy, s.Host.CPUBusy)
	gauge(descFull, float64(s.Host.DiskUsed))
	for _, x := range s.Servers {
		gauge(descMemory, float64(x.MemoryBytes), x.Server)
		gauge(descLimit, float64(x.MemoryLimit), x.Server)
		count(descCPU, float64(x.CPUNanos)/1e9, x.Server)
		gauge(descDisk, float64(x.DiskBytes), x.Server)
		count(descRx, float64(x.NetRx), x.Server)
		count(descTx, float64(x.NetTx), x.Server)
		gauge(descPlay, float64(x.Players), x.Server)
		gauge(descConns, float64(x.Connections), x.Server)
		gauge(descTPS, x.TPS, x.Server)
	}
}
