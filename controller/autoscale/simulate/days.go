package simulate

import (
	"fmt"
	"strings"
	"time"
)

// Day is one day of the replay in a line.
type Day struct {
	Day  time.Time
	Line string
}

// bars are eighths of a full one.
const bars = " ▁▂▃▄▅▆▇█"

// Days draws the machines of every hour, a line a day.
func (r *Report) Days() []Day {
	var out []Day
	top := max(r.PeakMachines, 1)
	byDay := map[time.Time][]HourPoint{}
	var order []time.Time
	for _, h := range r.Hours {
		d := h.Hour.Truncate(24 * time.Hour)
		if byDay[d] == nil {
			order = append(order, d)
		}
		byDay[d] = append(byDay[d], h)
	}
	for _, d := range order {
		line := []rune(strings.Repeat(" ", 24))
		most, demand := 0, 0.0
		for _, h := range byDay[d] {
			most, demand = max(most, h.Machines), max(demand, h.DemandGiB)
			line[h.Hour.Hour()] = []rune(bars)[(h.Machines*8+top-1)/top]
		}
		out = append(out, Day{Day: d, Line: fmt.Sprintf("%s  up to %d machines for %.0f GiB", string(line), most, demand)})
	}
	return out
}
