// Package protocol is what controller and agent say to each other: the words, their history, and the facets
// (Go interfaces) that each side implements for the other. It holds no behaviour beyond reading and checking its own values.
//
// How bytes travel is in protocol/rpc. Bodies are JSON: fields are only ever added, unknown fields are ignored,
// so that a controller can serve agents of Version and Version-1.
package protocol

// Version is the version of everything in this package that travels the wire. A golden file that changes without a bump fails TestGolden.
//
// History (newest last):
//
//	1: 2026-11-21: first version: join, recover, hello, report, renew, runtime, console, host; an inventory can tell details; a hello tells what was dropped; a mark
//	   vouches for what was acknowledged; orders are numbered, and what is observed tells the newest one taken.
const Version = 1

// Serves tells whether a controller of this Version serves an agent of version v: the same or the one before.
func Serves(v int) bool { return v == Version || v == Version-1 && v > 0 }

// ALPN names of the tunnel's connections.
const (
	ALPNJoin    = "ppp-join"    // enrolment and recovery; the only one without a client certificate
	ALPNControl = "ppp-control" // always up: calls, heartbeats, console
	ALPNBulk    = "ppp-bulk"    // dialled on request: exports, snapshots, copies; closed after 60 s idle
	ALPNPlay    = "ppp-play"    // players' bytes between an edge and a worker (reserved)
)
