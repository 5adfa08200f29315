package fleet

import (
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// ReservationTTL is how long a server may hold memory without having become a running container.
const ReservationTTL = 30 * time.Minute

// Booking is what one server has booked on one node. What a node has in use is the sum of its bookings and kept nowhere else.
// Memory and CPU are booked while the server is to run (or still runs); disk and port as long as its volume is on the node.
type Booking struct {
	Server      string    `json:"server"`
	Node        string    `json:"node"`
	MemoryBytes int64     `json:"memory_bytes"`
	CPUMillis   int64     `json:"cpu_millis"`
	DiskBytes   int64     `json:"disk_bytes"`
	Port        int       `json:"port"`
	BookedAt    time.Time `json:"booked_at"`
	Runs        bool      `json:"runs"`                // memory and CPU are booked (their amount may be 0)
	Confirmed   bool      `json:"confirmed,omitempty"` // a container was seen
	ExpiresAt   time.Time `json:"expires_at,omitzero"` // of a reservation
	Ordered     bool      `json:"ordered,omitempty"`   // a start was ordered under this booking
}

// InFlight tells whether a start was ordered under this booking and no word of it has come: the node may run what is booked.
func (b Booking) InFlight(s Server) bool {
	return b.Runs && b.Ordered && s.InFlight()
}

// Reserved tells whether memory is held for a container that was not seen yet.
func (b Booking) Reserved() bool { return b.Runs && !b.Confirmed }

// Resources is the booked amount.
func (b Booking) Resources() Resources {
	r := Resources{MemoryBytes: b.MemoryBytes, CPUMillis: b.CPUMillis, DiskBytes: b.DiskBytes}
	if b.Port != 0 {
		r.Ports = 1
	}
	return r
}

// Used sums what is booked on a node.
func Used(tx store.Tx, node string) (Resources, error) {
	used, _, err := booked(tx, node, "")
	return used, err
}

// booked sums the bookings of a node except those of server not, and tells which ports are taken.
func booked(tx store.Tx, node, not string) (Resources, map[int]bool, error) {
	var used Resources
	ports := map[int]bool{}
	for b, err := range Bookings.Match(tx, "node", node, "", 0, false) {
		if err != nil {
			return used, nil, err
		}
		if b.Server == not {
			continue
		}
		used = used.Add(b.Resources())
		if b.Port != 0 {
			ports[b.Port] = true
		}
	}
	return used, ports, nil
}
