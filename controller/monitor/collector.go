package monitor

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

// collector turns rows and samples into metrics at each scrape, so that a server that is gone leaves no series behind.
type collector struct{ m *Monitor }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("payperplay_"+name, help, labels, nil)
}

var (
	perServer = []string{"server", "node"}

	serverMemory  = desc("server_memory_bytes", "Memory a server's container uses.", perServer...)
	serverLimit   = desc("server_memory_limit_bytes", "Memory limit of a server's container.", perServer...)
	serverCPU     = desc("server_cpu_seconds_total", "CPU time a server's container has used since it started.", perServer...)
	serverDisk    = desc("server_disk_bytes", "Size of a server's volume.", perServer...)
	serverUptime  = desc("server_uptime_seconds", "Time since a server's container started.", perServer...)
	serverPlayers = desc("server_players", "Players on a server; absent while not known.", perServer...)
	serverSlots   = desc("server_players_max", "Player limit of a server.", perServer...)
	serverTPS     = desc("server_tps", "Ticks per second a server reports; absent where it does not.", perServer...)
	serverState   = desc("server_state", "1 for the state a server is in.", "server", "node", "state")

	servers      = desc("servers", "Servers by state.", "state")
	nodes        = desc("nodes", "Nodes by state.", "state")
	memTotal     = desc("memory_schedulable_bytes", "Memory that can be booked on all nodes.")
	memBooked    = desc("memory_booked_bytes", "Memory that is booked on all nodes.")
	memRatio     = desc("memory_booked_ratio", "Booked part of the schedulable memory, 0 to 1.")
	players      = desc("players", "Players on all servers that tell.")
	nodeBooked   = desc("node_memory_booked_bytes", "Memory booked on a node.", "node")
	nodeCapacity = desc("node_memory_schedulable_bytes", "Memory that can be booked on a node.", "node")
	nodeSeen     = desc("node_last_seen_timestamp_seconds", "When a node was last heard of.", "node")
)

// Describe sends nothing: series come and go (an unchecked collector).
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) //nolint:forbidigo // Prometheus gives collectors no context
	defer cancel()
	snap, err := c.m.Fleet(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(servers, err)
		return
	}
	c.fleet(ch, snap)
	nodeOf := snap.Finder()
	for _, s := range snap.Servers {
		if s.Desired != fleet.Deleted {
			c.server(ch, s, nodeOf(s), snap.At)
		}
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c *collector) fleet(ch chan<- prometheus.Metric, snap fleet.Snapshot) {
	t := snap.Totals()
	for state, n := range t.ServersByState {
		gauge(ch, servers, float64(n), state)
	}
	for state, n := range t.NodesByState {
		gauge(ch, nodes, float64(n), state)
	}
	gauge(ch, memTotal, float64(t.Total.MemoryBytes))
	gauge(ch, memBooked, float64(t.Booked.MemoryBytes))
	if t.Total.MemoryBytes > 0 {
		gauge(ch, memRatio, float64(t.Booked.MemoryBytes)/float64(t.Total.MemoryBytes))
	}
	used := snap.UsedByNode()
	for id, n := range snap.Nodes {
		if n.Revoked {
			continue
		}
		gauge(ch, nodeBooked, float64(used[id].MemoryBytes), n.Name)
		gauge(ch, nodeCapacity, float64(n.Capacity().MemoryBytes), n.Name)
		gauge(ch, nodeSeen, float64(n.Contact().Unix()), n.Name)
	}
	total := 0
	for id := range snap.Servers {
		if s, _, ok := c.m.Server(id); ok && s.Players > 0 {
			total += s.Players
		}
	}
	gauge(ch, players, float64(total))
}

func (c *collector) server(ch chan<- prometheus.Metric, s fleet.Server, n *fleet.Node, now time.Time) {
	node := ""
	if n != nil {
		node = n.Name
	}
	gauge(ch, serverState, 1, s.Name, node, fleet.State(s, n, now).State)
	sample, _, ok := c.m.Server(s.ID)
	if !ok || sample.Started.IsZero() {
		return
	}
	gauge(ch, serverMemory, float64(sample.MemoryBytes), s.Name, node)
	gauge(ch, serverLimit, float64(sample.MemoryLimit), s.Name, node)
	ch <- prometheus.MustNewConstMetric(serverCPU, prometheus.CounterValue, float64(sample.CPUNanos)/1e9, s.Name, node)
	gauge(ch, serverDisk, float64(sample.DiskBytes), s.Name, node)
	if sample.State == protocol.StateRunning || sample.State == protocol.StateStarting {
		gauge(ch, serverUptime, now.Sub(sample.Started).Seconds(), s.Name, node)
	}
	if sample.Players >= 0 {
		gauge(ch, serverPlayers, float64(sample.Players), s.Name, node)
		gauge(ch, serverSlots, float64(sample.PlayersMax), s.Name, node)
	}
	if sample.TPS >= 0 {
		gauge(ch, serverTPS, sample.TPS, s.Name, node)
	}
}
