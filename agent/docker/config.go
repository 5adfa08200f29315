package docker

import (
	"encoding/json"
	"net/netip"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/payperplay/payperplay/protocol"
)

// Run is one start of one server.
type Run struct {
	Spec     protocol.Spec
	Grant    protocol.Grant
	Attempt  int64      // counts starts on this node
	Volume   string     // DATA/volumes/<id>/data, absolute
	Bind     netip.Addr // host address the game port is published on
	Password string     // of RCON
}

const (
	defaultUser     = "1000:1000"
	defaultPids     = 512
	defaultRCONPort = 25575
	mostFiles       = 16384
	tmpSize         = "size=64m"
	minMemory       = 6 << 20 // the engine refuses less
)

var (
	serverID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,127}$`)
	userID   = regexp.MustCompile(`^([1-9][0-9]{0,8}):([0-9]{1,9})$`)
)

// Check tells whether a container can be built from the spec. Its faults are Invalid.
func Check(s protocol.Spec) error {
	bad := func(format string, args ...any) error {
		return protocol.Faultf(protocol.Invalid, "correct the server's settings or its template", format, args...)
	}
	if err := CheckID(s.Server); err != nil {
		return err
	}
	switch {
	case s.Image == "" || strings.ContainsAny(s.Image, " \x00\n"):
		return bad("%q is not an image", s.Image)
	case !path.IsAbs(s.DataDir) || path.Clean(s.DataDir) != s.DataDir || strings.ContainsAny(s.DataDir, ":\x00\n") || !mountable(s.DataDir):
		return bad("the volume cannot be mounted at %q", s.DataDir)
	case s.GamePort < 1 || s.GamePort > 65535 || s.HostPort < 1 || s.HostPort > 65535:
		return bad("ports %d and %d are not both between 1 and 65535", s.GamePort, s.HostPort)
	case s.Console.RCONPort < 0 || s.Console.RCONPort > 65535:
		return bad("%d is not a port", s.Console.RCONPort)
	case s.MemoryBytes < minMemory:
		return bad("%s of memory are too little", protocol.FormatSize(max(s.MemoryBytes, 0)))
	case s.CPUMillis < 0 || s.Profile.PidsLimit < 0:
		return bad("CPU and process limits cannot be negative")
	case s.Profile.User != "" && !userID.MatchString(s.Profile.User):
		return bad("user %q is not uid:gid, or is root", s.Profile.User)
	}
	for name, value := range s.Env {
		if !envName.MatchString(name) || strings.ContainsRune(value, 0) {
			return bad("%q is not the name of an environment variable, or its value holds a NUL", name)
		}
	}
	return nil
}

// CheckID tells whether a text can be a server's id.
func CheckID(id string) error {
	if !serverID.MatchString(id) {
		return protocol.Faultf(protocol.Invalid, "", "%.70q is not a server id", id)
	}
	return nil
}

// mountable refuses to hide the parts of an image that hold programs or the kernel's files.
func mountable(dir string) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(dir, "/"), "/")
	return !slices.Contains([]string{"", "bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "tmp", "usr", "var"}, top)
}

// User gives the numeric uid and gid the game runs as.
func User(p protocol.Profile) (uid, gid int) {
	m := userID.FindStringSubmatch(p.User)
	if m == nil {
		m = userID.FindStringSubmatch(defaultUser)
	}
	uid, _ = strconv.Atoi(m[1])
	gid, _ = strconv.Atoi(m[2])
	return uid, gid
}

// RCONPort gives the container port of RCON.
func RCONPort(c protocol.ConsoleRule) int {
	if c.RCONPort > 0 {
		return c.RCONPort
	}
	return defaultRCONPort
}

// config builds everything that is sent to the engine for one start. This is the tenant profile of reliability.md §3.3;
// nothing outside this file decides what a container may do.
func (c *Client) config(r Run) (*container.Config, *container.HostConfig, *network.NetworkingConfig, error) {
	s := r.Spec
	if err := Check(s); err != nil {
		return nil, nil, nil, err
	}
	if !filepath.IsAbs(r.Volume) || filepath.Base(r.Volume) != "data" || filepath.Base(filepath.Dir(r.Volume)) != s.Server {
		return nil, nil, nil, protocol.Faultf(protocol.Internal, "", "the volume %q is not that of server %s", r.Volume, s.Server)
	}
	labels, err := c.containerLabels(r)
	if err != nil {
		return nil, nil, nil, err
	}
	port := nat.Port(strconv.Itoa(s.GamePort) + "/tcp")
	cfg := &container.Config{
		Image: s.Image, Env: env(c.labels[LabelNode], r), Labels: labels, User: user(s.Profile), ExposedPorts: nat.PortSet{port: {}},
		OpenStdin: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	}
	pids := int64(defaultPids)
	if s.Profile.PidsLimit > 0 {
		pids = s.Profile.PidsLimit
	}
	host := c.tenant(s.MemoryBytes, s.CPUMillis, pids)
	host.NetworkMode = container.NetworkMode(c.networkName(s.Server))
	host.PortBindings = nat.PortMap{port: {{HostIP: r.Bind.String(), HostPort: strconv.Itoa(s.HostPort)}}}
	host.ReadonlyRootfs = !s.Profile.WritableRootFS
	host.Tmpfs["/tmp"] = tmp(s.Profile)
	host.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: r.Volume, Target: s.DataDir,
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate}}}
	return cfg, host, &network.NetworkingConfig{}, nil
}

// tenant is what every container of ours is held to, before a template's exceptions.
func (c *Client) tenant(memory, cpuMillis, pids int64) *container.HostConfig {
	yes := true
	return &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		// Blocking: the other mode drops lines without a word. Three files of 5 MiB: what the console may still have to fetch after a restart.
		LogConfig:      container.LogConfig{Type: "local", Config: map[string]string{"max-size": "5m", "max-file": "3", "compress": "false", "mode": "blocking"}},
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges"},
		IpcMode:        container.IPCModePrivate,
		ReadonlyRootfs: true,
		Tmpfs:          map[string]string{"/tmp": tmp(protocol.Profile{})},
		Init:           &yes,
		Resources: container.Resources{
			Memory: memory, MemorySwap: memory, NanoCPUs: cpuMillis * 1e6, PidsLimit: &pids,
			Ulimits: []*container.Ulimit{{Name: "nofile", Soft: c.files, Hard: c.files}},
		},
	}
}

func user(p protocol.Profile) string {
	if p.User == "" {
		return defaultUser
	}
	return p.User
}

func tmp(p protocol.Profile) string {
	if p.TmpExec {
		return "rw,exec,nosuid,nodev," + tmpSize
	}
	return "rw,noexec,nosuid,nodev," + tmpSize
}

func (c *Client) containerLabels(r Run) (map[string]string, error) {
	spec, err := json.Marshal(r.Spec)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		LabelCluster: c.labels[LabelCluster], LabelNode: c.labels[LabelNode], LabelServer: r.Spec.Server,
		LabelEpoch: strconv.FormatInt(r.Grant.Epoch, 10), LabelRevision: strconv.FormatInt(r.Spec.Revision, 10),
		LabelAttempt: strconv.FormatInt(r.Attempt, 10), LabelSpec: string(spec),
	}, nil
}

// env gives the tenant's variables and ours, sorted; ours win. RCON has our password or is off: never an image's default one.
func env(node string, r Run) []string {
	all := map[string]string{}
	for k, v := range r.Spec.Env {
		all[k] = v
	}
	all["PPP_SERVER"], all["PPP_EPOCH"], all["PPP_NODE"], all["PPP_BOOT"] = r.Spec.Server, strconv.FormatInt(r.Grant.Epoch, 10), node, r.Grant.Boot
	all["ENABLE_RCON"] = "false"
	delete(all, "RCON_PASSWORD")
	delete(all, "RCON_PASSWORD_FILE")
	delete(all, "RCON_PORT")
	if r.Spec.Console.RCON {
		all["ENABLE_RCON"], all["RCON_PASSWORD"], all["RCON_PORT"] = "true", r.Password, strconv.Itoa(RCONPort(r.Spec.Console))
	}
	out := make([]string, 0, len(all))
	for k, v := range all {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}
