package protocol

import (
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1GiB": 1 << 30, "512M": 512 << 20, "512MiB": 512 << 20, "1.5 GB": 1.5e9, "4096": 4096, "0": 0,
		"2g": 2 << 30, " 1 kib ": 1024, "100B": 100, "9007199254740993": 9007199254740993,
	} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1GiB", "1XB", "lots", "1e3GiB", "0x10", "NaN", "Inf", "1 000", "99999999TiB", "1GiB1"} {
		if got, err := ParseSize(text); CodeOf(err) != Invalid {
			t.Errorf("ParseSize(%q) = %d, %v; want an invalid fault", text, got, err)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"1GiB", "1.5 GB", "-1", "1e9", "∞", "0x1p4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err == nil && (n < 0 || n >= 1<<60) {
			t.Fatalf("ParseSize(%q) = %d", s, n)
		}
	})
}
