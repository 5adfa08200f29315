package cloud_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/cloud"
)

func TestLabelValue(t *testing.T) {
	for text, want := range map[string]string{
		"0123456789abcdef0123456789abcdef": "0123456789abcdef0123456789abcdef",
		"worker":                           "worker",
		strings.Repeat("a", 63):            strings.Repeat("a", 63),
		"":                                 "",
	} {
		if got := cloud.LabelValue(text); got != want {
			t.Errorf("LabelValue(%q) = %q, want it as it is", text, got)
		}
	}
	fits := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	seen := map[string]string{}
	for _, text := range []string{"Worker", "mach_01", "mach-01", "mach.01", "-x", "x-", "---", "__", "a b", "Köln", strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("-", 80) + "z"} {
		value := cloud.LabelValue(text)
		if !fits.MatchString(value) {
			t.Errorf("LabelValue(%q) = %q, which is no label's value", text, value)
		}
		if other, twice := seen[value]; twice {
			t.Errorf("%q and %q both become %q", text, other, value)
		}
		if again := cloud.LabelValue(value); again != value {
			t.Errorf("LabelValue(%q) changes a value to %q", value, again)
		}
		seen[value] = text
	}
}

func TestOurs(t *testing.T) {
	ours := map[string]string{cloud.LabelManagedBy: cloud.ManagedBy, cloud.LabelCluster: "abc"}
	if !cloud.Ours(ours, "abc") || cloud.Ours(ours, "abd") || cloud.Ours(nil, "abc") || cloud.Ours(map[string]string{cloud.LabelCluster: "abc"}, "abc") {
		t.Error("Ours must ask for both labels")
	}
}
