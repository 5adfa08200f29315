package main

// figures are the rows of performance.md that this version can show.
var figures = []figure{
	{"call, p50", "protocol/rpc", "BenchmarkCall", "p50-ratio", "round trip on a kept raw TLS connection", 2.5, false},
	{"call, p99", "protocol/rpc", "BenchmarkCall", "p99-ratio", "round trip on a kept raw TLS connection", 4, false},
	{"bulk stream on loopback", "protocol/rpc", "BenchmarkBulkLoopback", "ratio", "raw TLS, 64 KiB writes", 0.80, true},
	{"CPU per GB moved", "protocol/rpc", "BenchmarkBulkLoopback", "cpu-ratio", "raw TLS", 1.4, false},
	{"bulk stream at 20 ms and 1 Gbit/s", "protocol/rpc", "BenchmarkBulkDelayed", "ratio", "raw TLS", 0.95, true},
	{"echo beside bulk at 200 Mbit/s and 20 ms, p50", "protocol/rpc", "BenchmarkEchoBesideBulk", "p50-ratio", "a connection of its own", 1.3, false},
	{"echo beside bulk at 200 Mbit/s and 20 ms, p99", "protocol/rpc", "BenchmarkEchoBesideBulk", "p99-ratio", "a connection of its own", 1.5, false},
	{"bulk beside echo", "protocol/rpc", "BenchmarkEchoBesideBulk", "bulk-ratio", "raw TLS", 0.95, true},
	{"control call under bulk, p99", "protocol/rpc", "BenchmarkControlUnderBulk", "p99-ratio", "the same calls, idle", 2, false},
	{"dead peer noticed", "protocol/rpc", "BenchmarkDeadPeer", "s-to-notice", "-", 10, false},
	{"idle session, RSS", "protocol/rpc", "BenchmarkIdleAgents", "KiB/agent", "raw TLS in the same run", 40, false},
	{"idle session, goroutines", "protocol/rpc", "BenchmarkIdleAgents", "goroutines/agent", "-", 3, false},
	{"heartbeat, CPU", "protocol/rpc", "BenchmarkIdleAgents", "µs/beat", "-", 50, false},

	{"idle agent on the controller, RSS", "controller/tunnel", "BenchmarkIdleAgent/idle", "KiB/agent", "-", 40, false},
	{"idle agent with 10 servers, RSS", "controller/tunnel", "BenchmarkIdleAgent/inventory10", "KiB/agent", "-", 64, false},
	{"goroutines per idle agent", "controller/tunnel", "BenchmarkIdleAgent/idle", "goroutines/agent", "-", 3, false},
	{"reconnect of 10,000, accept rate", "controller/tunnel", "BenchmarkReconnectStorm/bolt", "ratio", "raw TLS accept loop", 0.8, true},
	{"reconnect of 10,000, accept rate, Postgres", "controller/tunnel", "BenchmarkReconnectStorm/postgres", "ratio", "raw TLS accept loop", 0.8, true},
	{"reconnect of 10,000, CPU of the controller's side", "controller/tunnel", "BenchmarkReconnectStorm/bolt", "cpu-ratio", "raw TLS accept loop", 0.8, true},
	{"reconnect of 10,000, all reconciled", "controller/tunnel", "BenchmarkReconnectStorm/bolt", "storm-s", "-", 15, false},
	{"reconnect of 10,000, all reconciled, Postgres", "controller/tunnel", "BenchmarkReconnectStorm/postgres", "storm-s", "-", 15, false},

	{"10,000 servers and 1,000 nodes: start until /readyz", "controller", "BenchmarkBigFleet/bolt", "start-s", "-", 2, false},
	{"10,000 servers and 1,000 nodes: start until /readyz, Postgres", "controller", "BenchmarkBigFleet/postgres", "start-s", "-", 2, false},
	{"… list page of servers over HTTP, p99", "controller", "BenchmarkBigFleet/bolt", "servers-p99-ms", "-", 20, false},
	{"… list page of servers over HTTP, p99, Postgres", "controller", "BenchmarkBigFleet/postgres", "servers-p99-ms", "-", 20, false},
	{"… list page of nodes over HTTP, p99", "controller", "BenchmarkBigFleet/bolt", "nodes-p99-ms", "-", 20, false},
	{"… list page of nodes over HTTP, p99, Postgres", "controller", "BenchmarkBigFleet/postgres", "nodes-p99-ms", "-", 20, false},
	{"… CPU, nobody connected, % of a core", "controller", "BenchmarkBigFleet/bolt", "alone-%core", "-", 10, false},
	{"… CPU, 1,000 agents connected, % of a core", "controller", "BenchmarkBigFleet/bolt", "agents-%core", "-", 10, false},
	{"… CPU, 1,000 agents connected, % of a core, Postgres", "controller", "BenchmarkBigFleet/postgres", "agents-%core", "-", 10, false},

	{"console line, p99 over attach", "agent/console", "BenchmarkLineLatency", "over-ms", "docker attach on the same container", 1, false},
	{"console beside a flood, p99", "agent/console", "BenchmarkFloodIsolation", "calm-p99-ms", "docker attach on the calm container", 50, false},
	{"1,000 lines/s to 1,000 viewers, p99", "controller/console", "BenchmarkThousandViewers", "thousand-p99-ms", "one viewer", 100, false},
	{"start until the container runs, over Docker's own", "agent/supervisor", "BenchmarkStart", "ms_more", "the Docker client's create and start", 50, false},
	{"sampling 50 servers every 5 s, CPU", "agent/host", "BenchmarkSample50", "%core@5s", "-", 0.5, false},

	{"placement among 1,000 nodes and 10,000 servers", "controller/placement", "BenchmarkPlacementChoose/fits", "µs/choice", "-", 50, false},
	{"store: Update with one put and one event", "controller/store/bolt", "BenchmarkUpdate", "ratio", "raw bbolt transaction of the same writes", 1.3, false},
}
