package autoscale

import (
	"fmt"
	"strings"

	"github.com/payperplay/payperplay/protocol"
)

// Explain is the decision as people read it: the figures, what is done, what is kept, and what was thought of.
func (d Decision) Explain() string {
	var b strings.Builder
	in := d.Inputs
	fmt.Fprintf(&b, "%s waiting for %s; %s of %s booked, %s coming: load %s\n", many(in.Waiting, "server"), protocol.FormatSize(in.WaitingNeed.MemoryBytes),
		protocol.FormatSize(in.Booked), protocol.FormatSize(in.Capacity), protocol.FormatSize(in.Coming), percent(in.Load))
	fmt.Fprintf(&b, "%d of at most %d machines, %d empty (%d wanted) for %s an hour; %s spent today, %s at most by midnight, cap %s\n",
		in.Machines, in.MaxNodes, in.Empty, in.PoolWanted, in.Hourly, in.Spent, in.Today, in.MaxPerDay)
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, "%s\n", r)
	}
	for _, a := range d.Actions {
		fmt.Fprintf(&b, "%s: %s\n", a.Title(), a.Why)
	}
	for _, c := range d.Considered {
		fmt.Fprintf(&b, "not: %s: %s%s\n", c.What, c.Why, priced(c))
	}
	return b.String()
}

// Title is what is done, in a few words.
func (a Action) Title() string {
	if a.Do != Order {
		return fmt.Sprintf("%s %s (%s an hour)", a.Do, a.Name, a.Hourly)
	}
	c := a.Candidates[0]
	also := ""
	if n := len(a.Candidates) - 1; n > 0 {
		also = fmt.Sprintf(", or one of %d others", n)
	}
	return fmt.Sprintf("order %s at %s (%s an hour%s)", c.Type, c.Location, c.Hourly, also)
}

func priced(a Alternative) string {
	if a.Hourly == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s an hour)", a.Hourly)
}
