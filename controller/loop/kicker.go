package loop

// Kicker wakes a loop early. Kick never blocks, and kicks that come before the loop looks are one kick.
type Kicker struct{ c chan struct{} }

// NewKicker makes a Kicker; pass C() as Options.Kick.
func NewKicker() *Kicker { return &Kicker{c: make(chan struct{}, 1)} }

// Kick asks for a run soon.
func (k *Kicker) Kick() {
	select {
	case k.c <- struct{}{}:
	default:
	}
}

// C is the channel a loop listens on. One loop per Kicker.
func (k *Kicker) C() <-chan struct{} { return k.c }
