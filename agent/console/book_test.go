package console

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

func testLine(i int) protocol.Line {
	return protocol.Line{Time: time.Unix(1_800_000_000, int64(i)).UTC(), Text: fmt.Sprintf("line %d %s", i, strings.Repeat("x", i%97))}
}

func readAll(t *testing.T, b *book, from int64) (lines []protocol.Line, skipped int64) {
	t.Helper()
	r := b.reader(from)
	defer r.close()
	for {
		got, n, err := r.read()
		if err != nil {
			t.Fatal(err)
		}
		skipped += n
		if len(got) == 0 {
			return lines, skipped
		}
		lines = append(lines, got...)
	}
}

func mustOpen(t *testing.T, dir string, size int64, boot string) *book {
	t.Helper()
	b, err := openBook(dir, size, boot)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// crash drops the book as kill -9 does: nothing is told to the files.
func crash(b *book) {
	if f, ok := b.end(); ok && f != nil {
		_ = f.Close()
	}
}

// A file cut at every byte: what is read back is a prefix of whole appends, and the next number follows it.
func TestF02TornTailAtEveryByte(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	b := mustOpen(t, dir, DefaultMaxBytes, "boot")
	var ends []int64 // file length after each append
	var counts []int
	n := 0
	for i := range 12 {
		var lines []protocol.Line
		for range 1 + i%3 {
			n++
			lines = append(lines, testLine(n))
		}
		p := place{source: "c1", streams: [2]mark{{at: int64(n), count: 1}, {at: int64(i), count: 2, open: true}}}
		if err := b.append(lines, &p); err != nil {
			t.Fatal(err)
		}
		ends, counts = append(ends, b.segs[0].size), append(counts, n)
	}
	path := b.segs[0].path
	crash(b)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		for _, tail := range []string{"", "garbage garbage"}[cut%2 : cut%2+1] {
			if err := os.WriteFile(path, append(whole[:cut:cut], tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			want := 0
			for i, e := range ends {
				if int64(cut) >= e {
					want = counts[i]
				}
			}
			b := mustOpen(t, dir, DefaultMaxBytes, "boot")
			if b.head != int64(want) {
				t.Fatalf("cut at %d: head %d, want %d", cut, b.head, want)
			}
			lines, _ := readAll(t, b, 1)
			for i, l := range lines {
				if w := testLine(i + 1); l.Seq != int64(i+1) || l.Text != w.Text || !l.Time.Equal(w.Time) {
					t.Fatalf("cut at %d: line %d is %+v", cut, i, l)
				}
			}
			if want > 0 && (b.place.source != "c1" || b.place.streams[0].at != int64(want)) {
				t.Fatalf("cut at %d: place %+v does not belong to line %d", cut, b.place, want)
			}
			if err := b.append([]protocol.Line{testLine(want + 1)}, nil); err != nil || b.head != int64(want+1) {
				t.Fatalf("cut at %d: append after it: %v, head %d", cut, err, b.head)
			}
			if got, _ := readAll(t, b, 1); len(got) != want+1 {
				t.Fatalf("cut at %d: %d lines after append, want %d", cut, len(got), want+1)
			}
			crash(b)
		}
	}
}

// One wrong byte in a sealed segment costs that segment's rest and is counted; the lines behind it are still there.
func TestDamagedSegmentIsSkippedAndTold(t *testing.T) {
	b := mustOpen(t, filepath.Join(t.TempDir(), "s"), MinMaxBytes, "boot")
	defer crash(b)
	for i := 1; len(b.segs) < 3; i++ {
		if err := b.append([]protocol.Line{testLine(i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(b.segs[0].path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0x40
	if err := os.WriteFile(b.segs[0].path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	lines, skipped := readAll(t, b, 1)
	if skipped == 0 || int64(len(lines))+skipped != b.head {
		t.Fatalf("%d lines and %d skipped, want %d together", len(lines), skipped, b.head)
	}
	if last := lines[len(lines)-1]; last.Seq != b.head {
		t.Fatalf("last line is %d, want %d", last.Seq, b.head)
	}
}

func TestHistoryIsBoundedAndNumbersGoOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	b := mustOpen(t, dir, MinMaxBytes, "boot")
	for i := 1; i <= 20_000; i++ {
		if err := b.append([]protocol.Line{testLine(i)}, nil); err != nil {
			t.Fatal(err)
		}
		if i%5_000 == 0 {
			crash(b)
			b = mustOpen(t, dir, MinMaxBytes, "boot")
		}
	}
	defer crash(b)
	total := int64(0)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > MinMaxBytes+4096 || total < MinMaxBytes/2 {
		t.Fatalf("history has %d bytes, limit %d", total, MinMaxBytes)
	}
	lines, _ := readAll(t, b, b.first())
	if first, head := b.span(); head != 20_000 || lines[0].Seq != first || int64(len(lines)) != head-first+1 {
		t.Fatalf("span %d…%d, %d lines read", first, head, len(lines))
	}
	for i, l := range lines[1:] {
		if l.Seq != lines[i].Seq+1 || l.Text != testLine(int(l.Seq)).Text {
			t.Fatalf("line %d after %d: %q", l.Seq, lines[i].Seq, l.Text)
		}
	}
	for _, from := range []int64{lines[0].Seq + 777, 19_999, 20_000} {
		if got, skipped := readAll(t, b, from); skipped != 0 || got[0].Seq != from || int64(len(got)) != 20_000-from+1 {
			t.Fatalf("from %d: %d lines, first %d, skipped %d", from, len(got), got[0].Seq, skipped)
		}
	}
	if _, skipped := readAll(t, b, 1); skipped != lines[0].Seq-1 {
		t.Fatalf("skipped %d, want %d", skipped, lines[0].Seq-1)
	}
}

// After a power failure numbers that may have been seen are not given again; after kill -9 or a clean end there is no hole.
func TestNumbersAfterRestart(t *testing.T) {
	for name, c := range map[string]struct {
		boot  string
		clean bool
		hole  bool
	}{"kill": {"one", false, false}, "clean": {"two", true, false}, "power": {"two", false, true}} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "s")
			b := mustOpen(t, dir, DefaultMaxBytes, "one")
			for i := 1; i <= 10; i++ {
				if err := b.append([]protocol.Line{testLine(i)}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if c.clean {
				if err := b.close(); err != nil {
					t.Fatal(err)
				}
			} else {
				size := b.segs[0].size
				crash(b)
				if c.hole { // the last lines never reached the disk
					if err := os.Truncate(b.segs[0].path, size/2); err != nil {
						t.Fatal(err)
					}
				}
			}
			b = mustOpen(t, dir, DefaultMaxBytes, c.boot)
			defer crash(b)
			if err := b.append([]protocol.Line{testLine(11)}, nil); err != nil {
				t.Fatal(err)
			}
			if !c.hole && b.head != 11 || c.hole && b.head < 12 {
				t.Fatalf("next number is %d", b.head)
			}
			lines, _ := readAll(t, b, 1)
			if last := lines[len(lines)-2]; c.hole && last.Kind != protocol.LineGap {
				t.Fatalf("no gap line, but %+v", last)
			}
		})
	}
}

func TestReaderOutlivesDroppedSegment(t *testing.T) {
	b := mustOpen(t, filepath.Join(t.TempDir(), "s"), MinMaxBytes, "boot")
	defer crash(b)
	i := 0
	fill := func(n int) {
		for range n {
			i++
			if err := b.append([]protocol.Line{testLine(i)}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(300)
	r := b.reader(1)
	defer r.close()
	got, _, err := r.read()
	if err != nil {
		t.Fatal(err)
	}
	fill(20_000) // the whole first half is gone now
	next, sum := got[len(got)-1].Seq+1, int64(0)
	for {
		lines, skipped, err := r.read()
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) == 0 {
			break
		}
		sum += skipped
		if lines[0].Seq != next+skipped {
			t.Fatalf("at %d came %d after skipping %d", next, lines[0].Seq, skipped)
		}
		next = lines[len(lines)-1].Seq + 1
	}
	if next != b.head+1 || sum == 0 {
		t.Fatalf("ended at %d of %d, skipped %d", next, b.head, sum)
	}
}

func FuzzFrame(f *testing.F) {
	p := place{source: "c", streams: [2]mark{{at: 1, count: 2, open: true}, {}}}
	f.Add(appendFrame(nil, frame{place: &p, lines: []protocol.Line{{Seq: 7, Time: time.Unix(1, 2), Text: "hello"}}}, true))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := frameSize(data)
		if err != nil {
			return
		}
		var q place
		_ = visitFrame(data[:n], &q, func(protocol.Line) bool { return true })
	})
}

func TestScanEndsWithContext(t *testing.T) {
	b := mustOpen(t, filepath.Join(t.TempDir(), "s"), MinMaxBytes, "boot")
	defer crash(b)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.scan(ctx, 1, func(protocol.Line) bool { return true }); err == nil {
		t.Fatal("no error")
	}
}
