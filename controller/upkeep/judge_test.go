package upkeep

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
)

// TestF13Judge: every limit is told before it is reached, with the next step.
func TestF13Judge(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	fine := Facts{Now: now, Data: "/data", Disk: Disk{Free: 50 << 30, Total: 100 << 30, Inodes: 1000, InodesFree: 900}, HasFile: true,
		File: 20 << 20, FileFree: 15 << 20, Stock: event.Stock{Count: 5, Max: 1_000_000, Oldest: now.Add(-50 * time.Hour)}, Trimmed: now.Add(-9 * time.Minute)}
	for name, test := range map[string]struct {
		change func(*Facts)
		want   map[string]Level
	}{
		"fine":                      {func(*Facts) {}, nil},
		"disk at 5 %":               {func(f *Facts) { f.Disk.Free = 5 << 30 }, nil},
		"disk below 5 %":            {func(f *Facts) { f.Disk.Free = 5<<30 - 1 }, map[string]Level{"disk": Warn}},
		"huge disk, 10 GiB":         {func(f *Facts) { f.Disk = Disk{Free: 10 << 30, Total: 10 << 40} }, nil},
		"huge disk, 9 GiB":          {func(f *Facts) { f.Disk = Disk{Free: 9 << 30, Total: 10 << 40} }, map[string]Level{"disk": Warn}},
		"disk full":                 {func(f *Facts) { f.Disk.Free = 100 << 20 }, map[string]Level{"disk": Fail}},
		"small disk, full":          {func(f *Facts) { f.Disk = Disk{Free: 2 << 20, Total: 240 << 20} }, map[string]Level{"disk": Fail}},
		"small disk, low":           {func(f *Facts) { f.Disk = Disk{Free: 8 << 20, Total: 240 << 20} }, map[string]Level{"disk": Warn}},
		"inodes":                    {func(f *Facts) { f.Disk.InodesFree = 9 }, map[string]Level{"disk": Warn}},
		"disk not known":            {func(f *Facts) { f.Disk = Disk{} }, map[string]Level{"disk": Warn}},
		"broken store":              {func(f *Facts) { f.Broken = fault.New(fault.Unavailable, "x", "y") }, map[string]Level{"writes": Fail}},
		"mostly empty, but small":   {func(f *Facts) { f.File, f.FileFree = 64<<20, 60<<20 }, nil},
		"mostly empty":              {func(f *Facts) { f.File, f.FileFree = 65<<20, 33<<20 }, map[string]Level{"store": Warn}},
		"large":                     {func(f *Facts) { f.File, f.FileFree = 601<<20, 0 }, map[string]Level{"store": Warn}},
		"held back at the limit":    {func(f *Facts) { f.Stock.Held = 10_000 }, nil},
		"held back":                 {func(f *Facts) { f.Stock.Held, f.Stock.HeldBy = 10_001, "billing" }, map[string]Level{"held": Warn}},
		"retention fails":           {func(f *Facts) { f.Trimmed = now.Add(-61 * time.Minute) }, map[string]Level{"retention": Warn}},
		"no file, so nothing of it": {func(f *Facts) { f.HasFile, f.File, f.FileFree = false, 1<<40, 1<<40 }, nil},
	} {
		f := fine
		test.change(&f)
		seen := map[string]bool{}
		for _, r := range Judge(f) {
			seen[r.Name] = true
			want := test.want[r.Name]
			if want == "" {
				want = OK
			}
			if r.Level != want {
				t.Errorf("%s: %s is %s, want %s", name, r.Name, r.Level, want)
			}
			if (r.Level == OK) != (r.Text == "" && r.Next == "") || r.Value == "" {
				t.Errorf("%s: %+v: a text and a next step belong to what is not fine, and only to that", name, r)
			}
		}
		if seen["store"] != f.HasFile || seen["writes"] != f.HasFile || !seen["disk"] || !seen["events"] {
			t.Errorf("%s: %v", name, seen)
		}
	}
}

func TestAgain(t *testing.T) {
	const total = 100 << 30 // low below 5 GiB, over from 7.5 GiB on
	for _, test := range []struct {
		was  bool
		free int64
		want bool
	}{{false, 5 << 30, false}, {false, 5<<30 - 1, true}, {true, 5 << 30, true}, {true, 7 << 30, true}, {true, 8 << 30, false}} {
		if got := again(test.was, Disk{Free: test.free, Total: total}); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
	if !again(true, Disk{}) || again(false, Disk{}) {
		t.Error("a disk that cannot be looked at changed its mind")
	}
}
