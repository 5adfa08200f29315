package tunnel

import (
	"fmt"
	"strings"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol"
)

// cleanFacts bounds and repairs what an agent says of its machine: an agent may lie, and its words are shown to people.
func cleanFacts(f *protocol.NodeFacts) error {
	for _, s := range []*string{&f.Hostname, &f.MachineID, &f.Boot, &f.Arch, &f.OS, &f.Kernel, &f.AgentVersion, &f.Docker, &f.BridgePool} {
		*s = clip(*s, 256)
	}
	f.Addresses = clipAll(f.Addresses, 16, 256)
	f.Degraded = clipAll(f.Degraded, 32, 512)
	if err := checkRoles(f.Roles); err != nil {
		return err
	}
	const next = "correct the agent's flags and start it again"
	switch {
	case len(f.Roles) > 2:
		return fault.New(fault.Invalid, "a role is given twice", next)
	case f.PortFrom < 0 || f.PortTo > 65535 || f.PortFrom > f.PortTo:
		return fault.New(fault.Invalid, fmt.Sprintf("%d-%d is not a range of ports", f.PortFrom, f.PortTo), next)
	case f.MemoryBytes < 0 || f.DiskBytes < 0 || f.CPUs < 0:
		return fault.New(fault.Invalid, "memory, disk or CPUs are negative", next)
	}
	return nil
}

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func clipAll(list []string, most, n int) []string {
	if len(list) > most {
		list = list[:most]
	}
	for i := range list {
		list[i] = clip(list[i], n)
	}
	return list
}
