package autoscale

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
)

// Spares say how many machines without servers are kept ready. They are only wanted where there is an image that boots quickly.
type Spares struct {
	Zone   Zone   `json:"zone"`         // of the hours below
	Base   int    `json:"base"`         // at all other times
	Rules  []Rule `json:"rules"`        // the first that holds counts
	Memory int64  `json:"memory_bytes"` // a server of this size must fit on each
}

// Rule is a number of spares for some hours of some days.
type Rule struct {
	Days     []string `json:"days"` // "mon" … "sun"; empty = all
	From     int      `json:"from"` // hour, included
	To       int      `json:"to"`   // hour, not included; up to 24
	Machines int      `json:"machines"`
}

// maxSpares bounds each number.
const maxSpares = 1000

func defaultSpares() Spares {
	return Spares{Zone: Zone{"UTC", time.UTC}, Base: 1, Rules: []Rule{{Days: []string{"fri", "sat"}, From: 17, To: 24, Machines: 3}}, Memory: 4 << 30}
}

// at is the number that the hour wants.
func (p Spares) at(now time.Time) int {
	local := now.In(p.Zone.place())
	for _, r := range p.Rules {
		if r.holds(local) {
			return r.Machines
		}
	}
	return p.Base
}

func (r Rule) holds(local time.Time) bool {
	if h := local.Hour(); h < r.From || h >= r.To {
		return false
	}
	for _, d := range r.Days {
		if d == day(local.Weekday()) {
			return true
		}
	}
	return len(r.Days) == 0
}

// turn is when the number may change next.
func (p Spares) turn(now time.Time) time.Time {
	local := now.In(p.Zone.place())
	next := now.Add(time.Hour - time.Duration(local.Minute())*time.Minute - time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond()))
	for range 7 * 24 {
		if p.at(next) != p.at(now) {
			return next
		}
		next = next.Add(time.Hour)
	}
	return time.Time{}
}

func (p Spares) validate() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "scaling: spares: "+fmt.Sprintf(format, args...), `write them as "1; fri,sat 17-24 = 3"`)
	}
	if p.Base < 0 || p.Base > maxSpares {
		return bad("%d machines", p.Base)
	}
	if p.Memory < 0 || p.Memory > 1<<50 {
		return bad("%d bytes", p.Memory)
	}
	for _, r := range p.Rules {
		if r.Machines < 0 || r.Machines > maxSpares {
			return bad("%d machines", r.Machines)
		}
		if r.From < 0 || r.To > 24 || r.From >= r.To {
			return bad("the hours %d-%d are none", r.From, r.To)
		}
		for _, d := range r.Days {
			if !weekday(d) {
				return bad("%q is not a day: use mon, tue, wed, thu, fri, sat, sun", d)
			}
		}
	}
	return nil
}

// parsePool reads "1; fri,sat 17-24 = 3": the number at other times, and rules.
func (p *Spares) parsePool(text string) error {
	out := Spares{Zone: p.Zone, Memory: p.Memory}
	for i, part := range strings.Split(text, ";") {
		part = strings.TrimSpace(part)
		if n, err := strconv.Atoi(part); err == nil && i == 0 {
			out.Base = n
			continue
		}
		when, number, ok := strings.Cut(part, "=")
		fields := strings.Fields(when)
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if !ok || err != nil || len(fields) == 0 || len(fields) > 2 {
			return fmt.Errorf("%q is not a rule", part)
		}
		r := Rule{From: 0, To: 24, Machines: n}
		for _, f := range fields {
			if !strings.ContainsAny(f, "0123456789") {
				r.Days = strings.Split(strings.ToLower(f), ",")
				continue
			}
			if _, err := fmt.Sscanf(f, "%d-%d", &r.From, &r.To); err != nil {
				return fmt.Errorf("%q are not hours", f)
			}
		}
		out.Rules = append(out.Rules, r)
	}
	*p = out
	return out.validate()
}

func day(d time.Weekday) string { return strings.ToLower(d.String()[:3]) }

func weekday(text string) bool {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if day(d) == text {
			return true
		}
	}
	return false
}

// Zone is an IANA time zone, looked up when it is read: decisions do no I/O.
type Zone struct {
	Name string
	loc  *time.Location
}

// LoadZone looks one up; "" is UTC.
func LoadZone(name string) (Zone, error) {
	if name == "Local" {
		return Zone{}, fmt.Errorf("%q is not an IANA time zone", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return Zone{}, fmt.Errorf("%q is not an IANA time zone, such as Europe/Berlin", name)
	}
	return Zone{Name: loc.String(), loc: loc}, nil
}

func (z Zone) place() *time.Location {
	if z.loc == nil {
		return time.UTC
	}
	return z.loc
}

// MarshalText writes the name.
func (z Zone) MarshalText() ([]byte, error) { return []byte(z.place().String()), nil }

// UnmarshalText looks it up.
func (z *Zone) UnmarshalText(b []byte) (err error) {
	*z, err = LoadZone(string(b))
	return err
}
