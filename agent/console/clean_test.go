package console

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/payperplay/payperplay/protocol"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "ümlaut €": "ümlaut €", "a\x00b": `a\x00b`, "\xff\xfe": `\xff\xfe`, "cut \xe2\x82": `cut \xe2\x82`,
		"\x1b[31mred\x1b[0m": "\x1b[31mred\x1b[0m", "�": "�", "": "", "\xed\xa0\x80": `\xed\xa0\x80`,
	} {
		if got := clean([]byte(in)); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestF29LongLinesAreSplit(t *testing.T) {
	for _, size := range []int{0, 1, maxLine - 1, maxLine, maxLine + 1, 3*maxLine + 5} {
		for _, unit := range []string{"x", "€", "😀"} {
			text := strings.Repeat(unit, size/len(unit))
			for _, more := range []bool{false, true} {
				lines := pieces(nil, protocol.Line{Text: text}, more)
				joined := ""
				for i, l := range lines {
					joined += l.Text
					if part := i < len(lines)-1 || more; (l.Kind == protocol.LinePart) != part {
						t.Fatalf("%d %s: piece %d of %d has kind %q", size, unit, i, len(lines), l.Kind)
					}
					if len(l.Text) > maxLine || !utf8.ValidString(l.Text) {
						t.Fatalf("%d %s: piece %d has %d bytes", size, unit, i, len(l.Text))
					}
				}
				if joined != text {
					t.Fatalf("%d %s: pieces do not add up", size, unit)
				}
			}
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(logEntry{1, timeAt(1), "hello\n"}.frame(), uint16(0))
	f.Add(logEntry{2, timeAt(2), "\x00\xff\x1b[0m"}.frame(), uint16(3))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0}, uint16(8))
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		r := newFrames(bytes.NewReader(data))
		for {
			m, err := r.next()
			if err != nil {
				return
			}
			text := clean(m.text)
			if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				t.Fatalf("%q is not clean", text)
			}
		}
	})
}

func TestFramesTakeGarbageFromTheGame(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var stream, want []byte
	for i := range 200 {
		raw := make([]byte, rnd.IntN(300))
		for j := range raw {
			if raw[j] = byte(rnd.Uint32()); raw[j] == '\n' || raw[j] == '\r' {
				raw[j] = 0
			}
		}
		stream = append(stream, logEntry{1, timeAt(i), string(raw) + "\n"}.frame()...)
		want = append(append(want, raw...), '\n')
	}
	r := newFrames(bytes.NewReader(stream))
	var got []byte
	for range 200 {
		m, err := r.next()
		if err != nil || !m.whole {
			t.Fatal(err, m.whole)
		}
		got = append(append(got, m.text...), '\n')
	}
	if !bytes.Equal(got, want) {
		t.Fatal("bytes changed")
	}
}
