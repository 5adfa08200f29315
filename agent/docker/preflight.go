package docker

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/system"
)

// Engine is what the engine says about itself.
type Engine struct {
	Version  string
	Degraded []string // what it cannot do, in plain words
}

// Probe asks the engine at host what it is and what it cannot do. It needs no identity, so it works before enrolment.
func Probe(ctx context.Context, host string) (Engine, error) {
	api, err := dial(host)
	if err != nil {
		return Engine{}, err
	}
	c := &Client{api: api, turn: make(chan struct{}, 1)}
	defer func() { _ = api.Close() }()
	return c.Engine(ctx)
}

// Engine asks for the engine's version and limits.
func (c *Client) Engine(ctx context.Context) (Engine, error) {
	ctx, cancel, err := c.begin(ctx, quick, "asking for the engine's version")
	if err != nil {
		return Engine{}, err
	}
	defer cancel()
	version, err := c.api.ServerVersion(ctx)
	if err != nil {
		return Engine{}, c.explain(err, "asking for the engine's version")
	}
	info, err := c.api.Info(ctx)
	if err != nil {
		return Engine{}, c.explain(err, "asking for the engine's limits")
	}
	return Engine{Version: version.Version, Degraded: degraded(version, info)}, nil
}

type release [3]int

var numbers = regexp.MustCompile(`(\d+)\.(\d+)(?:\.(\d+))?`)

func parseRelease(text string) (r release, ok bool) {
	m := numbers.FindStringSubmatch(text)
	if m == nil {
		return r, false
	}
	for i := range r {
		r[i], _ = strconv.Atoi(m[i+1])
	}
	return r, true
}

func (r release) less(o release) bool { return slices.Compare(r[:], o[:]) < 0 }

// engineFloor is the oldest engine line that still got security fixes when this was written.
var engineFloor = release{25, 0, 0}

// safeRunc: CVE-2025-31133, -52565 and -52881 are fixed in 1.2.8 and 1.3.3.
func safeRunc(r release) bool {
	switch {
	case r[0] == 1 && r[1] == 2:
		return !r.less(release{1, 2, 8})
	case r[0] == 1 && r[1] == 3:
		return !r.less(release{1, 3, 3})
	default:
		return !r.less(release{1, 4, 0})
	}
}

// degraded lists what this engine and its kernel cannot do for the tenant profile.
func degraded(v types.Version, info system.Info) []string {
	var out []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	runc := ""
	for _, part := range v.Components {
		if part.Name == "runc" {
			runc = part.Version
		}
	}
	r, known := parseRelease(runc)
	add(!known || !safeRunc(r), "unsafe runtime: runc %s is older than 1.2.8 / 1.3.3 (a container may break out to the host: CVE-2025-31133); upgrade runc", orUnknown(runc))
	e, known := parseRelease(v.Version)
	add(!known || e.less(engineFloor), "Docker engine %s is older than %d.%d; upgrade it", orUnknown(v.Version), engineFloor[0], engineFloor[1])
	add(info.CgroupVersion == "1", "cgroup v1: memory of a group of processes is not killed as one; boot with cgroup v2")
	add(!hasOption(info.SecurityOptions, "userns"), "user namespaces are off: user ids in containers are those of the host; set userns-remap in Docker")
	add(!hasOption(info.SecurityOptions, "seccomp"), "seccomp is off: containers may call everything in the kernel")
	add(!hasOption(info.SecurityOptions, "apparmor") && !hasOption(info.SecurityOptions, "selinux"), "neither AppArmor nor SELinux confines containers")
	add(!info.MemoryLimit, "memory limits of containers do not work on this kernel")
	add(!info.SwapLimit, "swap of containers cannot be limited on this kernel")
	add(!info.PidsLimit, "the number of a container's processes cannot be limited on this kernel")
	add(!info.CPUCfsQuota, "CPU quotas do not work on this kernel")
	add(!info.IPv4Forwarding, "IPv4 forwarding is off: players cannot reach containers; sysctl net.ipv4.ip_forward=1")
	add(!info.LiveRestoreEnabled, "live-restore is off: a restart of Docker stops all games; set it in /etc/docker/daemon.json")
	return out
}

func orUnknown(text string) string {
	if text == "" {
		return "(unknown version)"
	}
	return text
}

func hasOption(options []string, name string) bool {
	return slices.ContainsFunc(options, func(o string) bool {
		return o == "name="+name || len(o) > 5+len(name) && o[:6+len(name)] == "name="+name+","
	})
}
