package cloudinit

import (
	"regexp"
	"slices"
	"strings"

	"github.com/payperplay/payperplay/protocol"
)

// RenderBuilder gives the user-data of a machine that an image is made of: it installs Docker and the agent's program (checked by SHA-256),
// pulls GameImages, forgets all that makes it this machine, and powers off. It joins nothing: no token, no controller and no role is needed, and
// none is in the image. Of p, only Node, Agents and GameImages count. Kinds: as of Render.
func RenderBuilder(p Params) ([]byte, error) {
	if err := p.validateBuilder(); err != nil {
		return nil, err
	}
	c := config{
		Hostname: p.Node, Locale: false, DisableRoot: true, DeleteKeys: true, Update: true, Packages: packages(),
		Boot: [][]string{{"sh", "-c", noSSH}},
		Run:  [][]string{{"/usr/local/sbin/payperplay-build"}},
	}
	c.write("/etc/docker/daemon.json", "0644", read("daemon.json"))
	c.write("/etc/payperplay/agents", "0644", p.agents())
	c.write("/etc/payperplay/game-images", "0644", strings.Join(append(slices.Clone(p.GameImages), ""), "\n"))
	c.write("/usr/local/sbin/payperplay-setup", "0755", read("payperplay-setup"))
	c.write("/usr/local/sbin/payperplay-build", "0755", read("payperplay-build"))
	return c.encode("The machine becomes an image: it holds no secret, and powers off when it is ready.")
}

var gameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$`)

func (p Params) validateBuilder() error {
	bad := func(next, format string, args ...any) error {
		return protocol.Faultf(protocol.Invalid, next, "user-data: "+format, args...)
	}
	if !nodeForm.MatchString(p.Node) {
		return bad("use a-z, 0-9 and -", "%q cannot be the name of a machine", p.Node)
	}
	for i, g := range p.GameImages {
		if !gameForm.MatchString(g) || strings.Contains(g, "//") || slices.Contains(p.GameImages[:i], g) {
			return bad("name each once, as itzg/minecraft-server:java21", "%q is no container image", g)
		}
	}
	p.Preinstalled = false // it is what others have it from
	return p.validateAgents(bad)
}
