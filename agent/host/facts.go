package host

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/protocol"
)

// Describe completes what the flags say with what the machine says.
func Describe(f protocol.NodeFacts, data, bridges string) protocol.NodeFacts {
	f.Hostname, _ = os.Hostname()
	if f.MachineID == "" {
		f.MachineID = firstLine("/sys/class/dmi/id/product_uuid", "/sys/class/dmi/id/product_serial", "/etc/machine-id")
	}
	f.Arch, f.Protocol, f.CPUs = runtime.GOARCH, protocol.Version, runtime.NumCPU()
	f.OS = osName()
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		f.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if len(f.Addresses) == 0 {
		f.Addresses = addresses(bridges)
	}
	total := memory()["MemTotal"]
	if f.MemoryBytes <= 0 || total > 0 && f.MemoryBytes > total {
		f.MemoryBytes = total
	}
	var fs unix.Statfs_t
	if unix.Statfs(data, &fs) == nil {
		f.DiskBytes = int64(fs.Blocks) * fs.Bsize
	}
	return f
}

// MachineID reads the machine's id from a file, as clouds put it into the firmware: Hetzner's id of a machine is its serial number.
func MachineID(file string) (string, error) {
	if id := firstLine(file); id != "" {
		return id, nil
	}
	return "", protocol.Faultf(protocol.Invalid, "name another file with --machine-id-file, or leave it out", "%s does not say which machine this is", file)
}

// firstLine reads the first of the files that says which machine this is.
func firstLine(files ...string) string {
	for _, name := range files {
		text, err := os.ReadFile(name)
		line, _, _ := strings.Cut(string(text), "\n")
		if line = strings.TrimSpace(line); err == nil && !placeholder(line) {
			return line
		}
	}
	return ""
}

// placeholder tells whether a line of the firmware is what its maker left there: many machines say the same, or another firmware of
// the same machine says something else.
func placeholder(line string) bool {
	line = strings.ToLower(line)
	for _, p := range []string{"not ", "to be filled", "default string", "system serial number", "serial number", "chassis serial", "oem", "o.e.m", "empty", "unknown", "none", "invalid", "n/a"} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	for _, counted := range []string{"0123456789", "1234567890", "03000200-0400-0500-0006-000700080009"} {
		if line == counted || line == counted[1:] {
			return true
		}
	}
	digits := strings.NewReplacer("-", "", " ", "", ".", "").Replace(line)
	return len(digits) == 0 || strings.Trim(digits, digits[:1]) == "" // 0, 00000000-0000-…, ffffffff-ffff-…, xxxx
}

func osName() string {
	text, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return runtime.GOOS
}

// memory reads /proc/meminfo in bytes.
func memory() map[string]int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	out := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		if name == "MemTotal" || name == "MemAvailable" {
			out[name] = number(strings.TrimSuffix(strings.TrimSpace(rest), " kB")) << 10
		}
	}
	return out
}

// addresses lists the machine's own addresses, those that the world reaches first.
func addresses(bridges string) []string {
	links, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var found []netip.Addr
	for _, l := range links {
		if l.Flags&net.FlagUp == 0 || l.Flags&net.FlagLoopback != 0 || virtual(l.Name, bridges) {
			continue
		}
		addrs, _ := l.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
				found = append(found, p.Addr())
			}
		}
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	out := []string{}
	for _, a := range found {
		out = append(out, a.String())
	}
	return out
}

func virtual(name, bridges string) bool {
	for _, p := range []string{"docker", "br-", "veth", "virbr", "pb"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return bridges != "" && strings.HasPrefix(name, bridges)
}

// rank: public IPv4, private IPv4, public IPv6, private IPv6.
func rank(a netip.Addr) int {
	n := 0
	if a.IsPrivate() {
		n++
	}
	if a.Is6() {
		n += 2
	}
	return n
}

type route struct {
	device string
	to     netip.Prefix
}

// readRoutes reads the kernel's IPv4 table: device, destination and mask as little-endian hex.
func readRoutes(file string) ([]route, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []route
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 8 {
			continue
		}
		to, ok1 := littleEndian(f[1])
		mask, ok2 := littleEndian(f[7])
		if !ok1 || !ok2 || mask == 0 {
			continue
		}
		ones := 0
		for m := mask; m&(1<<31) != 0; m <<= 1 {
			ones++
		}
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], to)
		out = append(out, route{device: f[0], to: netip.PrefixFrom(netip.AddrFrom4(b), ones)})
	}
	return out, nil
}

func littleEndian(text string) (uint32, bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 4 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}
