package template

import "strconv"

// heap is the part of a container's limit that the JVM may use for its heap. What is accounted is always the limit: a JVM
// needs metaspace, code cache, threads and buffers besides the heap, and the kernel ends the container at the limit, so the
// overhead is taken off here instead of being added to the limit (which made an earlier system promise more than its
// machines had). The shares are those that Pterodactyl's wings uses: 15 % below 2 GB, 10 % below 4 GB, else 5 %.
func heap(limit int64) int64 {
	const gb = 1000 * 1000 * 1000
	switch {
	case limit < 2*gb:
		return limit - limit*15/100
	case limit < 4*gb:
		return limit - limit*10/100
	default:
		return limit - limit*5/100
	}
}

// heapText writes a heap as JVMs read it, in whole MiB.
func heapText(bytes int64) string {
	return strconv.FormatInt(bytes>>20, 10) + "M"
}
