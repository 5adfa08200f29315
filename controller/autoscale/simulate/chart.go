package simulate

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"
)

const (
	chartWidth, chartHeight = 1200, 460
	left, right, top, base  = 70, 60, 70, 400
)

// Chart writes machines' room and servers' demand over time as an SVG.
func (r *Report) Chart(w io.Writer) error {
	b := bufio.NewWriter(w)
	most, machines := 1.0, 1
	for _, p := range r.points {
		most, machines = max(most, gib(p.room), gib(p.demand)), max(machines, p.machines)
	}
	step := nice(most / 5)
	most = math.Ceil(most/step) * step
	x := func(t time.Time) float64 {
		return left + (chartWidth-left-right)*float64(t.Sub(r.From))/math.Max(float64(r.To.Sub(r.From)), 1)
	}
	y := func(v float64) float64 { return base - (base-top)*v/most }

	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", chartWidth, chartHeight)
	fmt.Fprintf(b, "<title>Machines and demand</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n")
	fmt.Fprintf(b, `<text x="%d" y="24" font-size="16">%d servers, %s to %s: %.2f €, %.2f × the lower bound, %.2f × always on; wake p95 %.0f s</text>`+"\n",
		left, r.Servers, r.From.Format(time.DateOnly), r.To.Format(time.DateOnly), r.CostEUR, r.OverBound, r.OverAlwaysOn, r.WakeP95)
	fmt.Fprintf(b, `<text x="%d" y="42" fill="#666">prices: %s</text>`+"\n", left, html.EscapeString(r.Prices))
	for i, k := range []struct{ colour, text string }{{"#9ecae1", "room of machines that are paid for"}, {"#e6550d", "demand of servers"}} {
		fmt.Fprintf(b, `<rect x="%d" y="50" width="12" height="12" fill="%s"/><text x="%d" y="60">%s (GiB)</text>`+"\n", left+i*300, k.colour, left+18+i*300, k.text)
	}
	for v := 0.0; v <= most+step/2; v += step {
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n", left, y(v), chartWidth-right, left-6, y(v)+4, v)
	}
	days := r.To.Sub(r.From).Hours() / 24
	every := time.Duration(max(1, math.Ceil(days/14))) * 24 * time.Hour
	for d := r.From.Truncate(24 * time.Hour); d.Before(r.To); d = d.Add(every) {
		if d.Before(r.From) {
			continue
		}
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ccc"/><text x="%.1f" y="%d">%s</text>`+"\n", x(d), top, base, x(d)+4, base+16, d.Format("Mon 02 Jan"))
	}
	r.line(b, x, y, func(p point) float64 { return gib(p.room) }, `fill="#9ecae1" fill-opacity="0.6" stroke="#3182bd" stroke-width="0.6"`, true)
	r.line(b, x, y, func(p point) float64 { return gib(p.demand) }, `fill="none" stroke="#e6550d" stroke-width="1"`, false)
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#666">up to %d machines at once, %d rented in all; %.0f %% of the memory that was paid for was used</text>`+"\n</svg>\n",
		left, base+40, machines, r.Machines, 100*r.Utilization)
	return b.Flush()
}

// line draws steps; a filled one goes down to the axis at its ends. Of the points that share a pixel the highest is drawn.
func (r *Report) line(b *bufio.Writer, x func(time.Time) float64, y func(float64) float64, of func(point) float64, style string, area bool) {
	var d strings.Builder
	fmt.Fprintf(&d, "M%.1f %.1f", x(r.From), y(0))
	pixel, high := -1.0, 0.0
	flush := func() {
		if pixel >= 0 {
			fmt.Fprintf(&d, "H%.1fV%.1f", pixel, y(high))
		}
	}
	for _, p := range r.points {
		if at := math.Round(x(p.at)*2) / 2; at != pixel {
			flush()
			pixel, high = at, of(p)
		} else {
			high = max(high, of(p))
		}
	}
	flush()
	fmt.Fprintf(&d, "H%.1f", x(r.To))
	if area {
		fmt.Fprintf(&d, "V%.1fZ", y(0))
	}
	fmt.Fprintf(b, `<path d="%s" %s/>`+"\n", d.String(), style)
}

// nice rounds a step of an axis up to 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(max(v, 1))))
	for _, f := range []float64{1, 2, 5} {
		if v <= f*unit {
			return f * unit
		}
	}
	return 10 * unit
}
