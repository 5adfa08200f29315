package docker

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"github.com/payperplay/payperplay/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew")

func offline() *Client {
	return &Client{labels: map[string]string{LabelCluster: "c1", LabelNode: "node_1"}, tag: Tag("c1", "node_1"), files: mostFiles}
}

func sampleRun() Run {
	s := protocol.Spec{
		Server: "srv_a", Name: "survival", Owner: "own_1", Revision: 7, Template: "paper", Version: "1.21.4", Image: "itzg/minecraft-server:java21",
		Env: map[string]string{"EULA": "TRUE", "TYPE": "PAPER", "RCON_PASSWORD": "mine", "PPP_SERVER": "forged"}, DataDir: "/data", GamePort: 25565, HostPort: 25501,
		MemoryBytes: 1 << 30, CPUMillis: 1500, Console: protocol.ConsoleRule{RCON: true},
	}
	return Run{Spec: s, Grant: protocol.Grant{Server: "srv_a", Epoch: 3, Boot: "boot-1"}, Attempt: 2, Volume: "/var/lib/ppp/volumes/srv_a/data",
		Bind: netip.MustParseAddr("0.0.0.0"), Password: "0123456789abcdef"}
}

// TestS10GoldenHostConfig pins the exact bytes that ask the engine for a tenant's container, with and without a template's exceptions.
func TestS10GoldenHostConfig(t *testing.T) {
	plain, exceptions, quiet := sampleRun(), sampleRun(), sampleRun()
	exceptions.Spec.Profile = protocol.Profile{User: "1001:1002", WritableRootFS: true, TmpExec: true, PidsLimit: 900}
	quiet.Spec.Console.RCON, quiet.Spec.CPUMillis, quiet.Bind = false, 0, netip.MustParseAddr("10.0.0.3")
	for name, run := range map[string]Run{"plain": plain, "exceptions": exceptions, "quiet": quiet} {
		cfg, host, net, err := offline().config(run)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(map[string]any{"Config": cfg, "HostConfig": host, "NetworkingConfig": net}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", "container-"+name+".json")
		if *update {
			if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(bytes.TrimSpace(want)), string(got)); d != "" {
			t.Errorf("%s differs from its golden file (-want +got); if that is meant, run with -update:\n%s", name, d)
		}
	}
}

// TestS10GoldenProbe: the probe is held to the same profile as a game, or it would prove nothing about games.
func TestS10GoldenProbe(t *testing.T) {
	cfg, host := offline().probeConfig("payperplay/probe:1", []string{"probe", "169.254.169.254:80"})
	_, game, _, err := offline().config(sampleRun())
	if err != nil {
		t.Fatal(err)
	}
	same := *game
	same.NetworkMode, same.PortBindings, same.Mounts, same.Resources = host.NetworkMode, nil, nil, host.Resources
	if d := cmp.Diff(same, *host); d != "" {
		t.Errorf("the probe may what a game may not, or the other way round (-game +probe):\n%s", d)
	}
	got, err := json.MarshalIndent(map[string]any{"Config": cfg, "HostConfig": host}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "container-probe.json")
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(bytes.TrimSpace(want)), string(got)); d != "" {
		t.Errorf("the probe differs from its golden file (-want +got); if that is meant, run with -update:\n%s", d)
	}
}

// safe is what must hold for every spec whatsoever.
func safe(t *testing.T, r Run, cfg *container.Config, h *container.HostConfig) {
	t.Helper()
	s := r.Spec
	for what, bad := range map[string]bool{
		"privileged":      h.Privileged,
		"capabilities":    len(h.CapAdd) > 0 || len(h.CapDrop) != 1 || h.CapDrop[0] != "ALL",
		"security":        len(h.SecurityOpt) != 1 || h.SecurityOpt[0] != "no-new-privileges",
		"pid namespace":   h.PidMode != "",
		"ipc namespace":   h.IpcMode != "private",
		"uts namespace":   h.UTSMode != "",
		"user namespace":  h.UsernsMode != "",
		"cgroup":          h.CgroupnsMode != "" || h.CgroupParent != "" || h.Cgroup != "",
		"network":         h.NetworkMode.IsHost() || h.NetworkMode.IsContainer() || h.NetworkMode.IsDefault() || !strings.HasPrefix(string(h.NetworkMode), "ppp-"),
		"devices":         len(h.Devices)+len(h.DeviceRequests)+len(h.DeviceCgroupRules) > 0,
		"binds":           len(h.Binds) > 0 || len(h.VolumesFrom) > 0 || h.VolumeDriver != "",
		"mounts":          len(h.Mounts) != 1 || h.Mounts[0].Source != r.Volume || h.Mounts[0].Source != "/d/volumes/"+s.Server+"/data" || h.Mounts[0].Type != "bind",
		"restart":         !h.RestartPolicy.IsNone() || h.AutoRemove,
		"memory":          h.Memory < minMemory || h.Memory != h.MemorySwap,
		"pids":            h.PidsLimit == nil || *h.PidsLimit <= 0,
		"ports":           h.PublishAllPorts || len(h.PortBindings) != 1 || len(cfg.ExposedPorts) != 1,
		"root":            cfg.User == "" || strings.HasPrefix(cfg.User, "0") || strings.HasPrefix(cfg.User, "root"),
		"program":         len(cfg.Cmd)+len(cfg.Entrypoint) > 0 || cfg.WorkingDir != "",
		"runtime":         h.Runtime != "" || len(h.Sysctls)+len(h.StorageOpt)+len(h.ExtraHosts)+len(h.Links)+len(h.GroupAdd)+len(h.Annotations) > 0,
		"oom":             h.OomScoreAdj != 0 || h.OomKillDisable != nil,
		"masked paths":    h.MaskedPaths != nil || h.ReadonlyPaths != nil,
		"log":             h.LogConfig.Type != "local" || h.LogConfig.Config["max-size"] == "",
		"tmpfs":           len(h.Tmpfs) != 1 || !strings.Contains(h.Tmpfs["/tmp"], "nosuid,nodev,size=64m"),
		"label of others": cfg.Labels[LabelServer] != s.Server || cfg.Labels[LabelNode] != "node_1" || cfg.Labels[LabelCluster] != "c1",
	} {
		if bad {
			t.Errorf("unsafe %s from spec %+v:\n%+v", what, s, h)
		}
	}
	text, _ := json.Marshal(h)
	for _, word := range []string{"docker.sock", "..", "/proc", "/sys"} {
		if bytes.Contains(text, []byte(word)) && !strings.Contains(s.DataDir, word) {
			t.Errorf("the host config holds %q: %s", word, text)
		}
	}
	own := 0
	for _, e := range cfg.Env {
		if strings.HasPrefix(e, "PPP_SERVER=") || strings.HasPrefix(e, "PPP_EPOCH=") || strings.HasPrefix(e, "PPP_NODE=") || strings.HasPrefix(e, "PPP_BOOT=") {
			own++
		}
		if strings.HasPrefix(e, "RCON_PASSWORD=") && e != "RCON_PASSWORD="+r.Password {
			t.Errorf("the tenant chose the RCON password: %s", e)
		}
	}
	if own != 4 {
		t.Errorf("%d variables of ours, want 4: %v", own, cfg.Env)
	}
}

// FuzzS10SpecToHostConfig: no spec gets a container that is more than a tenant's.
func FuzzS10SpecToHostConfig(f *testing.F) {
	f.Add([]byte(`{"server":"srv_a","image":"x","data_dir":"/data","game_port":1,"host_port":2,"memory_bytes":1073741824}`))
	f.Add([]byte(`{"server":"../../etc","image":"x","data_dir":"/data","game_port":1,"host_port":2,"memory_bytes":1073741824}`))
	f.Add([]byte(`{"server":"s","image":"x:y@sha256:z","data_dir":"/proc/1","env":{"LD_PRELOAD":"/x","PPP_NODE":"y","RCON_PASSWORD":"z"},"profile":{"user":"0:0","pids_limit":-1},"game_port":1,"host_port":2,"memory_bytes":1073741824}`))
	f.Add([]byte(`{"server":"s","image":"x","data_dir":"/var/run/docker.sock","cpu_millis":-1,"profile":{"user":"root"},"console":{"rcon":true,"rcon_port":70000},"game_port":1,"host_port":2,"memory_bytes":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r Run
		if json.Unmarshal(text, &r.Spec) != nil {
			return
		}
		r.Volume, r.Bind, r.Password = "/d/volumes/"+r.Spec.Server+"/data", netip.MustParseAddr("0.0.0.0"), "ours"
		cfg, host, _, err := offline().config(r)
		if err != nil {
			if protocol.CodeOf(err) != protocol.Invalid && protocol.CodeOf(err) != protocol.Internal {
				t.Fatal(err)
			}
			return
		}
		safe(t, r, cfg, host)
	})
}

func TestCheckRefuses(t *testing.T) {
	for name, change := range map[string]func(*protocol.Spec){
		"id with a path":   func(s *protocol.Spec) { s.Server = "../x" },
		"no image":         func(s *protocol.Spec) { s.Image = "" },
		"etc":              func(s *protocol.Spec) { s.DataDir = "/etc/cron.d" },
		"relative":         func(s *protocol.Spec) { s.DataDir = "data" },
		"unclean":          func(s *protocol.Spec) { s.DataDir = "/data/../etc" },
		"whole rootfs":     func(s *protocol.Spec) { s.DataDir = "/" },
		"port 0":           func(s *protocol.Spec) { s.HostPort = 0 },
		"port 65536":       func(s *protocol.Spec) { s.GamePort = 65536 },
		"little memory":    func(s *protocol.Spec) { s.MemoryBytes = 1 << 20 },
		"root":             func(s *protocol.Spec) { s.Profile.User = "0:0" },
		"user name":        func(s *protocol.Spec) { s.Profile.User = "minecraft" },
		"equals in env":    func(s *protocol.Spec) { s.Env = map[string]string{"A=B": "c"} },
		"NUL in env":       func(s *protocol.Spec) { s.Env = map[string]string{"A": "b\x00c"} },
		"negative process": func(s *protocol.Spec) { s.Profile.PidsLimit = -1 },
	} {
		s := sampleRun().Spec
		change(&s)
		if err := Check(s); protocol.CodeOf(err) != protocol.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check(sampleRun().Spec); err != nil {
		t.Fatal(err)
	}
	r := sampleRun()
	r.Volume = "/var/lib/ppp/volumes/srv_b/data"
	if _, _, _, err := offline().config(r); err == nil {
		t.Error("another server's volume was mounted")
	}
}
