package lifecycle

import (
	"context"

	"github.com/payperplay/payperplay/controller/fleet"
)

// Restart stops a server as Stop does and starts it again with its current settings; one that does not run is started.
// Kinds: not_found, conflict, forbidden (it is held).
func (l *Lifecycle) Restart(ctx context.Context, actor, name string) (fleet.Server, error) {
	return l.run(ctx, actor, name, fleet.OpRestart)
}
