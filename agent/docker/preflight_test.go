package docker

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/system"
)

func TestS11Floors(t *testing.T) {
	sound := system.Info{CgroupVersion: "2", MemoryLimit: true, SwapLimit: true, PidsLimit: true, CPUCfsQuota: true, IPv4Forwarding: true, LiveRestoreEnabled: true,
		SecurityOptions: []string{"name=seccomp,profile=default", "name=apparmor", "name=userns"}}
	version := func(engine, runc string) types.Version {
		return types.Version{Version: engine, Components: []types.ComponentVersion{{Name: "runc", Version: runc}}}
	}
	for runc, safe := range map[string]bool{"1.1.5+ds1": false, "1.2.7": false, "1.2.8": true, "1.3.2": false, "1.3.3": true, "1.4.0-rc.1": true, "2.0.1": true, "1.1.99": false, "": false, "v1.2.8-0-gabc": true} {
		got := degraded(version("29.1.0", runc), sound)
		if unsafe := slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "unsafe runtime") }); unsafe == safe || len(got) > 1 {
			t.Errorf("runc %q: %q", runc, got)
		}
	}
	if got := degraded(version("20.10.24+dfsg1", "1.2.8"), sound); len(got) != 1 || !strings.Contains(got[0], "20.10.24") {
		t.Error(got)
	}
	if got := degraded(version("29.0.0", "1.3.3"), system.Info{CgroupVersion: "1"}); len(got) != 10 {
		t.Errorf("%d complaints about a machine that can do nothing: %q", len(got), got)
	}
}
