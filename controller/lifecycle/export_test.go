package lifecycle

import "context"

// Give lets a test carry out an order that was decided a while ago.
func (l *Lifecycle) Give(ctx context.Context, a Action) (bool, error) { return l.give(ctx, a) }
