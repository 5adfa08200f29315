package simulate

import (
	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/fleet"
)

// Lifted are the default settings with the caps out of the way and scaling on, with a spare image or without.
func Lifted(image bool) autoscale.Settings {
	s := autoscale.Default()
	s.Enabled, s.MaxNodes, s.MaxPerDay = true, 10_000, 1_000_000*fleet.Euro
	if image {
		s.SpareImages = map[string]string{"": "spare image"}
	}
	return s
}
