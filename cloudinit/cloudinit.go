// Package cloudinit renders the user-data of a machine: what makes a fresh image of a cloud a node by itself. The machine gets Docker, the
// agent (downloaded from its controller and checked by SHA-256, or in the image already), its unit, firewall rules and a join token that
// only this machine can use. It gets no password, no key and no ssh server.
//
// Everything that runs on the machine is a file of this package (files/), byte for byte; what differs between machines is data in files
// beside them, never part of a script. It works on Debian 12 and 13 and Ubuntu 22.04 and 24.04, x86 and Arm.
package cloudinit

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/payperplay/payperplay/protocol"
)

// Max is how much user-data a machine can be given at Hetzner, in bytes.
const Max = 32 << 10

//go:embed files
var files embed.FS

// Unit is the agent's systemd unit.
func Unit() string { return read("payperplay-agent.service") }

// Agent is the agent's program for one architecture.
type Agent struct {
	Arch   string // GOARCH, which is Debian's word too
	URL    string // http or https
	SHA256 string // hex
}

// Params is what differs between machines.
type Params struct {
	Node        string   // name of the node, and of the machine
	Controllers []string // HOST:PORT that the agent dials
	Pins        []string // sha256:… of the cluster's CAs
	Token       string
	Roles       []string
	PortFrom    int // the players' ports
	PortTo      int
	BridgePool  netip.Prefix // zero: the agent's default
	// Agents are downloaded by architecture. With Preinstalled the image has Docker and the agent; one that is not the same as here is
	// replaced all the same.
	Agents       []Agent
	Preinstalled bool
	// GameImages are pulled by a machine that an image is made of (RenderBuilder).
	GameImages []string
}

// Render gives the user-data. Kinds: invalid (says what is wrong, also when it is longer than Max).
func Render(p Params) ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	c := config{
		Hostname: p.Node, Locale: false, DisableRoot: true, DeleteKeys: true,
		Boot: [][]string{{"sh", "-c", noSSH}},
		Run:  [][]string{{"/usr/local/sbin/payperplay-setup"}},
	}
	if !p.Preinstalled {
		c.Update, c.Packages = true, packages()
	}
	c.write("/etc/docker/daemon.json", "0644", read("daemon.json"))
	c.write("/etc/payperplay/join-token", "0600", p.Token+"\n")
	c.write("/etc/payperplay/agent.env", "0600", "PAYPERPLAY_AGENT_ARGS="+strings.Join(p.args(), " ")+"\n")
	c.write("/etc/payperplay/agents", "0644", p.agents())
	c.write("/etc/systemd/system/payperplay-agent.service", "0644", Unit())
	c.write("/etc/systemd/system/payperplay-firewall.service", "0644", read("payperplay-firewall.service"))
	c.write("/usr/local/sbin/payperplay-firewall", "0755", read("payperplay-firewall"))
	c.write("/usr/local/sbin/payperplay-setup", "0755", read("payperplay-setup"))

	return c.encode("It ends itself: the token opens one door, once, for this machine alone.")
}

// encode writes it, with what it is for in a comment.
func (c config) encode(comment string) ([]byte, error) {
	out := bytes.NewBufferString("#cloud-config\n# Made by PayPerPlay. " + comment + "\n")
	enc := yaml.NewEncoder(out)
	enc.SetIndent(2)
	if err := enc.Encode(c); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	if n := out.Len(); n > Max {
		return nil, protocol.Faultf(protocol.Invalid, "name fewer controllers, pins or game images", "the user-data has %d bytes, and %d is the most a machine can be given", n, Max)
	}
	return out.Bytes(), nil
}

// packages are what a fresh image lacks.
func packages() []string { return []string{"ca-certificates", "curl", "iptables", "docker.io"} }

// noSSH sees to it that no ssh server answers, before anything else is done and for good. sshd.service is not named: where ssh is enabled it
// is a link to ssh.service, which cannot be masked, and the command would end there. Ubuntu's socket listens before cloud-init runs; nothing
// waits for the stop, since ssh itself waits for cloud-init. An image without ssh is fine.
const noSSH = "systemctl mask ssh.service ssh.socket; systemctl --no-block stop ssh.service ssh.socket || true"

// config is the part of a cloud-config that we use.
type config struct {
	Hostname    string     `yaml:"hostname"`
	Locale      bool       `yaml:"locale"`
	SSHPassword bool       `yaml:"ssh_pwauth"`
	DisableRoot bool       `yaml:"disable_root"`
	DeleteKeys  bool       `yaml:"ssh_deletekeys"`
	Update      bool       `yaml:"package_update,omitempty"`
	Packages    []string   `yaml:"packages,omitempty"`
	Boot        [][]string `yaml:"bootcmd"`
	Files       []file     `yaml:"write_files"`
	Run         [][]string `yaml:"runcmd"`
}

type file struct {
	Path        string `yaml:"path"`
	Owner       string `yaml:"owner"`
	Permissions string `yaml:"permissions"`
	Content     string `yaml:"content"`
}

func (c *config) write(path, mode, content string) {
	c.Files = append(c.Files, file{path, "root:root", mode, content})
}

// read gives a file that is always there: it is part of the program.
func read(name string) string {
	b, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// args are the flags of `agent run` after --data. systemd cuts them at white space, and none of the values can hold any.
func (p Params) args() []string {
	var args []string
	for _, c := range p.Controllers {
		args = append(args, "--controller", c)
	}
	for _, pin := range p.Pins {
		args = append(args, "--ca-pin", pin)
	}
	args = append(args, "--token-file", "/etc/payperplay/join-token", "--name", p.Node, "--roles", strings.Join(p.Roles, ","),
		"--ports", strconv.Itoa(p.PortFrom)+"-"+strconv.Itoa(p.PortTo), "--machine-id-file", "/sys/class/dmi/id/product_serial", "--prove", "--log-format", "json")
	if p.BridgePool.IsValid() {
		args = append(args, "--bridge-pool", p.BridgePool.String())
	}
	return args
}

// agents is the table that payperplay-setup reads: architecture, SHA-256, URL.
func (p Params) agents() string {
	var b strings.Builder
	for _, a := range p.Agents {
		fmt.Fprintf(&b, "%s %s %s\n", a.Arch, a.SHA256, a.URL)
	}
	return b.String()
}

var (
	nodeForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	hostForm  = regexp.MustCompile(`^[A-Za-z0-9.:-]{1,253}$`)
	pinForm   = regexp.MustCompile(`^sha256:[A-Za-z0-9+/=_-]{40,90}$`)
	tokenForm = regexp.MustCompile(`^ppj_[A-Za-z0-9_-]{20,200}$`)
	sumForm   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	urlForm   = regexp.MustCompile(`^[!-~]{1,500}$`)
)

// validate lets nothing through that could mean something else in YAML, a shell, systemd or sed: each value has a form of its own.
func (p Params) validate() error {
	bad := func(next, format string, args ...any) error {
		return protocol.Faultf(protocol.Invalid, next, "user-data: "+format, args...)
	}
	if !nodeForm.MatchString(p.Node) {
		return bad("use a-z, 0-9 and -", "%q cannot be the name of a machine", p.Node)
	}
	if len(p.Controllers) == 0 || len(p.Pins) == 0 {
		return bad("start the controller with --advertise HOST:PORT", "%d controllers and %d pins are named: at least one of each is needed", len(p.Controllers), len(p.Pins))
	}
	for _, c := range p.Controllers {
		host, port, err := net.SplitHostPort(c)
		if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 1 || n > 65535 || !hostForm.MatchString(host) {
			return bad("write it as HOST:PORT (--advertise)", "%q is not the address of a controller", c)
		}
	}
	for _, pin := range p.Pins {
		if !pinForm.MatchString(pin) {
			return bad("pins look like sha256:…", "%q is not a pin", pin)
		}
	}
	if !tokenForm.MatchString(p.Token) {
		return bad("", "what was given is not a join token")
	}
	for _, r := range p.Roles {
		if r != "worker" && r != "edge" {
			return bad("use worker, edge or both", "%q is not a role", r)
		}
	}
	if len(p.Roles) == 0 || p.PortFrom < 1 || p.PortTo > 65535 || p.PortFrom > p.PortTo {
		return bad("give a role and a range of ports", "%d roles, ports %d-%d", len(p.Roles), p.PortFrom, p.PortTo)
	}
	return p.validateAgents(bad)
}

func (p Params) validateAgents(bad func(next, format string, args ...any) error) error {
	if len(p.Agents) == 0 && !p.Preinstalled {
		return bad("build them with make agents, or name their directory with --agents", "there is no agent that the machine could download")
	}
	var seen []string
	for _, a := range p.Agents {
		u, err := url.Parse(a.URL)
		switch {
		case a.Arch != "amd64" && a.Arch != "arm64" || slices.Contains(seen, a.Arch):
			return bad("use amd64 and arm64, once each", "an agent for %q", a.Arch)
		case !sumForm.MatchString(a.SHA256):
			return bad("64 hexadecimal digits", "%q is not a SHA-256", a.SHA256)
		case err != nil || !urlForm.MatchString(a.URL) || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			return bad("write it as http://HOST:PORT/… (--public-url)", "%q is not where an agent can be downloaded", a.URL)
		}
		seen = append(seen, a.Arch)
	}
	return nil
}
