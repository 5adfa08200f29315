package protocol

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1},
}

// ParseSize reads a size as people write it ("1GiB", "512M", "1.5 GB", "1073741824") and gives bytes.
// KiB/MiB/GiB/TiB and the bare letters are powers of 1024, KB/MB/GB/TB powers of 1000. It refuses negative, empty and absurd (≥ 1 EiB) sizes.
func ParseSize(text string) (int64, error) {
	s := strings.TrimSpace(text)
	factor := 1.0
	for _, u := range units {
		if n := len(s) - len(u.suffix); n > 0 && strings.EqualFold(s[n:], u.suffix) {
			s, factor = strings.TrimSpace(s[:n]), u.bytes
			break
		}
	}
	if factor == 1 {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 && n < 1<<60 {
			return n, nil
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	bad := strings.ContainsAny(s, "xXpPiInN_eE+-")
	if err != nil || bad || math.IsNaN(n) || n < 0 || n*factor >= 1<<60 {
		return 0, Faultf(Invalid, "write it as 512MiB, 1GiB or 1.5GB", "%q is not a size", text)
	}
	return int64(n * factor), nil
}

// FormatSize writes bytes the way ParseSize reads them: the largest binary unit, at most one decimal.
func FormatSize(bytes int64) string {
	const kib, mib, gib, tib = 1 << 10, 1 << 20, 1 << 30, 1 << 40
	for _, u := range []struct {
		size int64
		name string
	}{{tib, "TiB"}, {gib, "GiB"}, {mib, "MiB"}, {kib, "KiB"}} {
		if bytes < u.size {
			continue
		}
		if bytes%u.size == 0 {
			return fmt.Sprintf("%d%s", bytes/u.size, u.name)
		}
		return fmt.Sprintf("%.1f%s", float64(bytes)/float64(u.size), u.name)
	}
	return fmt.Sprintf("%dB", bytes)
}
