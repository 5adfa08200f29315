package fleet

import (
	"fmt"
	"strings"

	"github.com/payperplay/payperplay/protocol"
)

// Resources is an amount of what nodes have and servers need.
type Resources struct {
	MemoryBytes int64 `json:"memory_bytes"`
	CPUMillis   int64 `json:"cpu_millis"`
	DiskBytes   int64 `json:"disk_bytes"`
	Ports       int   `json:"ports"`
}

// Add gives r + o.
func (r Resources) Add(o Resources) Resources {
	return Resources{r.MemoryBytes + o.MemoryBytes, r.CPUMillis + o.CPUMillis, r.DiskBytes + o.DiskBytes, r.Ports + o.Ports}
}

// Sub gives r − o; it may be negative.
func (r Resources) Sub(o Resources) Resources {
	return Resources{r.MemoryBytes - o.MemoryBytes, r.CPUMillis - o.CPUMillis, r.DiskBytes - o.DiskBytes, r.Ports - o.Ports}
}

// Fits tells whether need fits into the free amount r. What is not needed cannot be short.
func (r Resources) Fits(need Resources) bool {
	return (need.MemoryBytes <= 0 || need.MemoryBytes <= r.MemoryBytes) && (need.CPUMillis <= 0 || need.CPUMillis <= r.CPUMillis) &&
		(need.DiskBytes <= 0 || need.DiskBytes <= r.DiskBytes) && (need.Ports <= 0 || need.Ports <= r.Ports)
}

// Short says in plain words what of need the free amount r lacks, "" if it fits.
func (r Resources) Short(need Resources) string {
	var short []string
	if need.MemoryBytes > 0 && need.MemoryBytes > r.MemoryBytes {
		short = append(short, fmt.Sprintf("memory: needs %s, %s free", protocol.FormatSize(need.MemoryBytes), freeSize(r.MemoryBytes)))
	}
	if need.CPUMillis > 0 && need.CPUMillis > r.CPUMillis {
		short = append(short, fmt.Sprintf("CPU: needs %s cores, %s free", cores(need.CPUMillis), cores(max(r.CPUMillis, 0))))
	}
	if need.DiskBytes > 0 && need.DiskBytes > r.DiskBytes {
		short = append(short, fmt.Sprintf("disk: needs %s, %s free", protocol.FormatSize(need.DiskBytes), freeSize(r.DiskBytes)))
	}
	if need.Ports > 0 && need.Ports > r.Ports {
		short = append(short, "ports: none free")
	}
	return strings.Join(short, "; ")
}

func freeSize(n int64) string { return protocol.FormatSize(max(n, 0)) }

func cores(millis int64) string {
	return strings.TrimSuffix(strings.TrimSuffix(fmt.Sprintf("%.2f", float64(millis)/1000), "0"), ".0")
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

// Schedulable is the part of a node's memory that servers may book, and the system reserve that is kept from them, in three steps
// by node size (docs/resources.md): up to 4 GiB an eighth, at least 256 MiB but never more than half; up to 16 GiB a tenth, at least
// 512 MiB; above a sixteenth, at least a tenth of 16 GiB. The reserve never shrinks as nodes grow, and neither does the rest.
func Schedulable(total int64) (bytes, reserve int64) {
	if total <= 0 {
		return 0, 0
	}
	switch {
	case total <= 4*gib:
		reserve = min(max(total/8, 256*mib), total/2)
	case total <= 16*gib:
		reserve = max(total/10, 512*mib)
	default:
		reserve = max(total/16, 16*gib/10)
	}
	return total - reserve, reserve
}

// SchedulableDisk is the same for disk: a tenth, at most 20 GiB, is left for images, console history and the agent's own state.
func SchedulableDisk(total int64) (bytes, reserve int64) {
	if total <= 0 {
		return 0, 0
	}
	reserve = min(total/10, 20*gib)
	return total - reserve, reserve
}

// Capacity is what servers may book on the node in all.
func (n Node) Capacity() Resources {
	memory, _ := Schedulable(n.Facts.MemoryBytes)
	disk, _ := SchedulableDisk(n.Facts.DiskBytes)
	c := Resources{MemoryBytes: memory, CPUMillis: int64(n.Facts.CPUs) * 1000, DiskBytes: disk}
	if n.Facts.PortFrom > 0 && n.Facts.PortTo >= n.Facts.PortFrom {
		c.Ports = n.Facts.PortTo - n.Facts.PortFrom + 1
	}
	return c
}
