package lifecycle

import (
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
)

// verdict says what becomes of an order.
type verdict int

const (
	take verdict = iota // it is carried out, in place of what was under way
	join                // the same is under way already
	deny                // it has to wait for what is under way
)

// precedence says, for each operation under way, what becomes of each new order. Stop and kill always win over a start and a
// restart, also while it is starting; nothing comes back from a delete.
var precedence = map[fleet.OpKind]map[fleet.OpKind]verdict{
	fleet.OpStart:   {fleet.OpStart: join, fleet.OpStop: take, fleet.OpRestart: deny, fleet.OpKill: take, fleet.OpDelete: take},
	fleet.OpStop:    {fleet.OpStart: deny, fleet.OpStop: join, fleet.OpRestart: deny, fleet.OpKill: take, fleet.OpDelete: take},
	fleet.OpRestart: {fleet.OpStart: join, fleet.OpStop: take, fleet.OpRestart: join, fleet.OpKill: take, fleet.OpDelete: take},
	fleet.OpKill:    {fleet.OpStart: deny, fleet.OpStop: join, fleet.OpRestart: deny, fleet.OpKill: join, fleet.OpDelete: take},
	fleet.OpDelete:  {fleet.OpStart: deny, fleet.OpStop: deny, fleet.OpRestart: deny, fleet.OpKill: take, fleet.OpDelete: join},
}

// admit decides about an order for s. Kinds: conflict (names who does what until when), not_found (it is being deleted).
func admit(s fleet.Server, want fleet.OpKind, now time.Time) (verdict, error) {
	if s.Desired == fleet.Deleted {
		switch want {
		case fleet.OpKill:
			return take, nil // a delete that waits for a game to stop
		case fleet.OpDelete:
			return join, nil
		case fleet.OpStart, fleet.OpStop, fleet.OpRestart:
		}
		return deny, fault.New(fault.Conflict, "server "+s.Name+" is being deleted", "create a new one: the name is free")
	}
	if !s.Op.Live(now) {
		return take, nil
	}
	row, ours := precedence[s.Op.Kind]
	v := row[want]
	if !ours && want != fleet.OpStop && want != fleet.OpKill {
		v = deny // an operation of another room: only stop and kill get past it
	}
	if v == deny {
		return deny, fault.New(fault.Conflict, "server "+s.Name+" is busy: "+s.Op.String(), "wait for it to end; stop and kill need not wait")
	}
	return v, nil
}

// lease is how long an operation may hold a server. It is longer than the operation's own limits: it only ends what was forgotten.
func lease(s fleet.Server, kind fleet.OpKind) time.Duration {
	ready := time.Duration(s.Spec.Ready.TimeoutSeconds) * time.Second
	if ready <= 0 {
		ready = 10 * time.Minute
	}
	grace := time.Duration(s.Spec.Stop.GraceSeconds) * time.Second
	if grace <= 0 {
		grace = time.Minute
	}
	const slack = time.Minute
	switch kind {
	case fleet.OpStart:
		return ready + 10*time.Minute // pulling an image takes its time
	case fleet.OpStop:
		return grace + slack
	case fleet.OpRestart:
		return grace + ready + 10*time.Minute
	case fleet.OpKill:
		return slack
	case fleet.OpDelete:
	}
	return grace + 10*time.Minute
}

// want writes what is desired from now on, with who holds the server for it.
func want(s *fleet.Server, d fleet.Desired, op *fleet.Op, actor, reason string, now time.Time) {
	s.Desired, s.DesiredBy, s.DesiredAt, s.DesiredReason = d, actor, now, reason
	s.Baseline, s.Problem, s.Waiting, s.Kill = fleet.MarkOf(s.Observed), nil, nil, false
	s.UpdatedAt, s.UpdatedBy = now, actor
	s.Op = op
	if op != nil {
		op.Owner, op.Started, op.Expires = actor, now, now.Add(lease(*s, op.Kind))
	}
}
