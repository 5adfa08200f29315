package fleet_test

import (
	"math"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
)

func TestParseEuro(t *testing.T) {
	for text, want := range map[string]fleet.MicroEuro{
		"0.0048000000": 4800, "7": 7 * fleet.Euro, " 0.01 ": 10_000, "0.0000005": 1, "0.0000004": 0, "-0.5": -500_000, "3.490000000000000": 3_490_000, ".5": 500_000,
	} {
		if got, err := fleet.ParseEuro(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "1,5", "1/3", "1e3", "0x10", "1_000", "9999999999999999999", "1.2.3", "NaN"} {
		if got, err := fleet.ParseEuro(text); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestMicroEuroString(t *testing.T) {
	for m, want := range map[fleet.MicroEuro]string{
		0: "0.00 €", 4800: "0.0048 €", 7 * fleet.Euro: "7.00 €", 1: "0.000001 €", -500_000: "-0.50 €", math.MinInt64: "-9223372036854.775808 €",
	} {
		if got := m.String(); got != want {
			t.Errorf("%d: %q, want %q", int64(m), got, want)
		}
	}
}
