package simulate

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
)

func TestReadTrace(t *testing.T) {
	const ok = Header + "\n2026-01-05T18:00:00Z,a,start,2GiB\n2026-01-05T19:00:00+01:00,\"b, too\",start,512MiB\n2026-01-05T18:30:00Z,a,stop,\n2026-01-05T18:30:00Z,\"b, too\",stop,512MiB\n"
	got, err := ReadTrace(strings.NewReader(ok))
	if err != nil {
		t.Fatal(err)
	}
	six := time.Date(2026, 1, 5, 18, 0, 0, 0, time.UTC)
	want := []Event{{six, "a", true, 2 << 30}, {six, "b, too", true, 512 << 20}, {six.Add(30 * time.Minute), "a", false, 0}, {six.Add(30 * time.Minute), "b, too", false, 512 << 20}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	for text, want := range map[string]string{
		"":                           "line 1 of the trace is not " + Header,
		"time;server;event;memory\n": "line 1 of the trace is not",
		Header + "\n":                "no events",
		Header + "\n2026-01-05T18:00:00Z,a,start\n":                                           "line 2 of the trace: wrong number of fields",
		Header + "\n2026-01-05 18:00,a,start,1GiB\n":                                          `line 2 of the trace: "2026-01-05 18:00" is not a time`,
		Header + "\n2026-01-05T18:00:00Z,,start,1GiB\n":                                       "line 2 of the trace: the server's name is empty",
		Header + "\n2026-01-05T18:00:00Z,a,start,\n":                                          "line 2 of the trace: a start needs its memory",
		Header + "\n2026-01-05T18:00:00Z,a,start,lots\n":                                      `line 2 of the trace: "lots" is not a size`,
		Header + "\n2026-01-05T18:00:00Z,a,begin,1GiB\n":                                      `line 2 of the trace: "begin" is neither start nor stop`,
		Header + "\n2026-01-05T18:00:00Z,a,stop,\n":                                           "line 2 of the trace: server a does not run",
		Header + "\n\n2026-01-05T18:00:00Z,a,start,1GiB\n2026-01-05T18:00:00Z,a,start,1GiB\n": "line 4 of the trace: server a runs already",
		Header + "\n2026-01-05T18:00:00Z,a,start,1GiB\n2026-01-05T17:00:00Z,a,stop,\n":        "line 3 of the trace: the time is before",
		Header + "\n2026-01-05T18:00:00Z,a,start,1GiB\n2026-01-05T19:00:00Z,a,stop,2GiB\n":    "line 3 of the trace: server a was started with 1GiB",
		Header + "\n2026-01-05T18:00:00Z,\"a,start,1GiB\n":                                    "line 2 of the trace: ",
		Header + "\n2026-01-05T18:00:00Z,a,start,1GiB\n2028-01-05T18:00:00Z,a,stop,\n":        "730 days long",
		Header + "\n2026-01-05T18:00:00Z," + strings.Repeat("a", 101) + ",start,1GiB\n":       "longer than 100",
	} {
		if _, err := ReadTrace(strings.NewReader(text)); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add(Header + "\n2026-01-05T18:00:00Z,a,start,2GiB\n2026-01-05T18:30:00Z,a,stop,\n")
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := ReadTrace(strings.NewReader(text))
		if err != nil {
			return
		}
		for i, e := range trace {
			if e.Server == "" || e.Start && e.Memory <= 0 || i > 0 && e.At.Before(trace[i-1].At) {
				t.Fatalf("event %d is %v", i, e)
			}
		}
	})
}

func TestGenerate(t *testing.T) {
	p, err := ParsePattern("servers=200,days=9,seed=3")
	if err != nil {
		t.Fatal(err)
	}
	trace := Generate(p)
	if !reflect.DeepEqual(trace, Generate(p)) {
		t.Error("equal patterns give different traces")
	}
	var text bytes.Buffer
	if err := WriteTrace(&text, trace); err != nil {
		t.Fatal(err)
	}
	again, err := ReadTrace(&text)
	if err != nil || !reflect.DeepEqual(trace, again) {
		t.Errorf("what is generated is not read as it was written: %v", err)
	}
	if p.Seed = 4; reflect.DeepEqual(trace, Generate(p)) {
		t.Error("another seed gives the same trace")
	}
	hours, running := make([]int, 24), 0
	for _, e := range trace {
		if e.Start {
			running++
			hours[e.At.Hour()]++
		} else {
			running--
		}
	}
	if running != 0 || hours[19] < 5*hours[4] {
		t.Errorf("%d never stop; starts by hour %v", running, hours)
	}
	for _, bad := range []string{"servers=0", "servers=x", "days=0", "days=400", "pets=3", "seed=-1", "servers=100000,days=366"} {
		if _, err := ParsePattern(bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestReadPrices(t *testing.T) {
	line := `{"name": "cax31", "arch": "arm64", "cpus": 8, "memory": "16GiB", "disk": "160GiB", "location": "fsn1", "hourly": "0.0138"}`
	p, err := ReadPrices(strings.NewReader(`{"name": "mine", "types": [` + line + `]}`))
	if err != nil || p.Name != "mine" || p.Types[0].Offers[0].Hourly != 13_800 || p.Types[0].MemoryBytes != 16<<30 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{
		``, `{}`, `{"types": [{}]}`, `{"types": [` + strings.Replace(line, "0.0138", "0", 1) + `]}`, `{"types": [` + strings.Replace(line, "0.0138", "free", 1) + `]}`,
		`{"types": [` + strings.Replace(line, "16GiB", "big", 1) + `]}`, `{"types": [` + strings.Replace(line, "cpus", "cores", 1) + `]}`, `{"types": [` + strings.Replace(line, "fsn1", "", 1) + `]}`,
	} {
		if _, err := ReadPrices(strings.NewReader(bad)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
