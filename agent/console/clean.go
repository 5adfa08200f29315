package console

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/payperplay/payperplay/protocol"
)

const maxLine = 16 << 10 // bytes of one Line's Text

const hexDigits = "0123456789abcdef"

// clean makes text storable and showable everywhere: bytes that are not UTF-8, and NUL, become \xNN. Escape codes stay: they are data.
func clean(raw []byte) string {
	if utf8.Valid(raw) && !hasNUL(raw) {
		return string(raw)
	}
	var b strings.Builder
	b.Grow(len(raw) + 64)
	for len(raw) > 0 {
		r, n := utf8.DecodeRune(raw)
		if r == utf8.RuneError && n <= 1 || r == 0 {
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[raw[0]>>4])
			b.WriteByte(hexDigits[raw[0]&15])
			raw = raw[1:]
			continue
		}
		b.Write(raw[:n])
		raw = raw[n:]
	}
	return b.String()
}

func hasNUL(raw []byte) bool {
	return slices.Contains(raw, 0)
}

// pieces appends text as lines of at most maxLine bytes, cut between runes. All but the last are parts; the last too when more of the line follows.
func pieces(out []protocol.Line, l protocol.Line, more bool) []protocol.Line {
	text := l.Text
	for len(text) > maxLine {
		cut := maxLine
		for cut > maxLine-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut--
		}
		p := l
		p.Text, p.Kind = text[:cut], protocol.LinePart
		out = append(out, p)
		text = text[cut:]
	}
	l.Text = text
	if more {
		l.Kind = protocol.LinePart
	}
	return append(out, l)
}
