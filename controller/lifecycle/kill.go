package lifecycle

import (
	"context"

	"github.com/payperplay/payperplay/controller/fleet"
)

// Kill ends a server's container at once. It wins over everything. Kinds: not_found.
func (l *Lifecycle) Kill(ctx context.Context, actor, name string) (fleet.Server, error) {
	return l.halt(ctx, actor, name, "", fleet.OpKill)
}
