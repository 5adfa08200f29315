package agent

import (
	"context"
	"net/netip"

	"github.com/payperplay/payperplay/agent/console"
	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/agent/supervisor"
	"github.com/payperplay/payperplay/protocol"
)

// consoleRoom fits the console room to what the supervisor asks for.
type consoleRoom struct{ *console.Console }

// Attach follows a container's output.
func (c consoleRoom) Attach(ctx context.Context, server string, t *docker.Terminal, epoch, maxBytes int64) error {
	return c.Console.Attach(ctx, server, t, console.Upstream{Epoch: epoch, MaxBytes: maxBytes})
}

// live fits the supervisor's list to the sampler.
func live(s *supervisor.Supervisor) func() []host.Live {
	return func() []host.Live {
		list := s.Live()
		out := make([]host.Live, len(list))
		for i, l := range list {
			out[i] = host.Live(l)
		}
		return out
	}
}

func versionOf(c *docker.Client) func(context.Context) (string, []string, error) {
	return func(ctx context.Context) (string, []string, error) {
		e, err := c.Engine(ctx)
		return e.Version, e.Degraded, err
	}
}

// avoid lists the machine's networks, which no bridge may overlap.
func avoid() []netip.Prefix {
	routes, err := host.Routes()
	if err != nil {
		return nil // the engine refuses an overlap, too
	}
	return routes
}

// address is where players reach game ports of this machine.
func address(bind netip.Addr, facts protocol.NodeFacts, data, bridges string) string {
	if !bind.IsUnspecified() {
		return bind.String()
	}
	if own := host.Describe(facts, data, bridges).Addresses; len(own) > 0 {
		return own[0]
	}
	return "127.0.0.1"
}
