package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// A document is stored as jsonb, which keeps the value and not its spelling. The checksum is therefore taken over one
// spelling: the one that Postgres prints (keys by length, then bytes; the last of two equal keys; ", " and ": "; numbers
// without exponent). A row that is read has that spelling already and costs one pass of CRC-32C; should a server print
// another one, the text is brought to ours before it is called damaged.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crcTable(name string) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, []byte(name)), castagnoli, []byte{0})
}

// crcRow is over table NUL key NUL document.
func crcRow(seed uint32, key string, doc []byte) int32 {
	c := crc32.Update(seed, castagnoli, []byte(key))
	c = crc32.Update(c, castagnoli, []byte{0})
	return int32(crc32.Update(c, castagnoli, doc))
}

// mix spreads a row's checksum over 64 bits, so that the xor of a table's rows tells which rows they are.
func mix(crc int32) int64 {
	z := uint64(uint32(crc)) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int64(z ^ z>>31)
}

// verify compares a row that was read with its checksum.
func verify(seed uint32, table, key string, crc int32, doc []byte) error {
	if crcRow(seed, key, doc) == crc {
		return nil
	}
	ours, err := canonical(doc)
	if err == nil && crcRow(seed, key, ours) == crc {
		return nil
	}
	return &store.DamagedError{Table: table, Key: key, Why: "its checksum does not match"}
}

var errJSON = errors.New("postgres: the document is not JSON")

// canonical is doc in the spelling of jsonb.
func canonical(doc []byte) ([]byte, error) {
	s := speller{in: doc, out: make([]byte, 0, len(doc)+len(doc)/8)}
	if err := s.value(0); err != nil {
		return nil, err
	}
	if s.space(); s.at != len(s.in) {
		return nil, errJSON
	}
	return s.out, nil
}

type speller struct {
	in  []byte
	at  int
	out []byte
}

func (s *speller) space() {
	for s.at < len(s.in) && (s.in[s.at] == ' ' || s.in[s.at] == '\t' || s.in[s.at] == '\n' || s.in[s.at] == '\r') {
		s.at++
	}
}

func (s *speller) take(c byte) bool {
	if s.space(); s.at < len(s.in) && s.in[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *speller) value(depth int) error {
	if s.space(); s.at >= len(s.in) {
		return errJSON
	}
	if depth > store.MaxDepth {
		return fault.Wrap(store.ErrInvalid, fault.Invalid, fmt.Sprintf("the document is nested deeper than %d levels", store.MaxDepth), "nest less")
	}
	switch c := s.in[s.at]; {
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.array(depth)
	case c == '"':
		return s.text()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.in[s.at:], []byte(word)) {
			s.at += len(word)
			s.out = append(s.out, word...)
			return nil
		}
	}
	return errJSON
}

func (s *speller) array(depth int) error {
	s.at++
	s.out = append(s.out, '[')
	for n := 0; !s.take(']'); n++ {
		if n > 0 {
			if !s.take(',') {
				return errJSON
			}
			s.out = append(s.out, ", "...)
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
	}
	s.out = append(s.out, ']')
	return nil
}

// member is a key and the place of its spelling in the output.
type member struct {
	key      []byte // without escapes
	from, to int
}

func (s *speller) object(depth int) error {
	s.at++
	begin := len(s.out)
	var room [16]member
	members := room[:0]
	sorted := true
	for n := 0; !s.take('}'); n++ {
		if n > 0 && !s.take(',') {
			return errJSON
		}
		if s.space(); s.at >= len(s.in) || s.in[s.at] != '"' {
			return errJSON
		}
		raw, err := s.unescaped()
		if err != nil {
			return err
		}
		m := member{key: raw, from: len(s.out)}
		s.out = append(quote(s.out, raw), ": "...)
		if !s.take(':') {
			return errJSON
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
		m.to = len(s.out)
		sorted = sorted && (n == 0 || byLength(members[n-1], m) < 0)
		members = append(members, m)
	}
	if !sorted {
		slices.SortStableFunc(members, byLength)
	}
	// The members stand behind begin in the order of the input: they are copied out and put back in order.
	body := slices.Clone(s.out[begin:])
	s.out = append(s.out[:begin], '{')
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.key, members[i+1].key) {
			continue // the later one counts
		}
		if s.out[len(s.out)-1] != '{' || len(s.out)-1 != begin {
			s.out = append(s.out, ", "...)
		}
		s.out = append(s.out, body[m.from-begin:m.to-begin]...)
	}
	s.out = append(s.out, '}')
	return nil
}

func byLength(a, b member) int {
	if len(a.key) != len(b.key) {
		return len(a.key) - len(b.key)
	}
	return bytes.Compare(a.key, b.key)
}

func (s *speller) text() error {
	raw, err := s.unescaped()
	if err == nil {
		s.out = quote(s.out, raw)
	}
	return err
}

// unescaped reads a string; it aliases the input where that has no escapes.
func (s *speller) unescaped() ([]byte, error) {
	s.at++
	from := s.at
	for s.at < len(s.in) && s.in[s.at] != '"' && s.in[s.at] != '\\' {
		s.at++
	}
	if s.at < len(s.in) && s.in[s.at] == '"' {
		s.at++
		return s.in[from : s.at-1], nil
	}
	text := slices.Clone(s.in[from:s.at])
	for s.at < len(s.in) {
		switch c := s.in[s.at]; c {
		case '"':
			s.at++
			return text, nil
		case '\\':
			r, err := s.escape()
			if err != nil {
				return nil, err
			}
			text = utf8.AppendRune(text, r)
		default:
			text = append(text, c)
			s.at++
		}
	}
	return nil, errJSON
}

func (s *speller) escape() (rune, error) {
	if s.at+1 >= len(s.in) {
		return 0, errJSON
	}
	c := s.in[s.at+1]
	s.at += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, err := s.hex4()
		if err == nil && utf16.IsSurrogate(r) {
			if s.at+1 >= len(s.in) || s.in[s.at] != '\\' || s.in[s.at+1] != 'u' {
				return 0, errJSON
			}
			s.at += 2
			low, err := s.hex4()
			if r = utf16.DecodeRune(r, low); err != nil || r == utf8.RuneError {
				return 0, errJSON
			}
		}
		return r, err
	}
	return 0, errJSON
}

func (s *speller) hex4() (rune, error) {
	if s.at+4 > len(s.in) {
		return 0, errJSON
	}
	n, err := strconv.ParseUint(string(s.in[s.at:s.at+4]), 16, 16)
	if err != nil {
		return 0, errJSON
	}
	s.at += 4
	return rune(n), nil
}

const hexDigits = "0123456789abcdef"

// quote appends text as Postgres writes a string.
func quote(out, text []byte) []byte {
	out = append(out, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c >= ' ':
			out = append(out, c)
		case c == '\b':
			out = append(out, `\b`...)
		case c == '\f':
			out = append(out, `\f`...)
		case c == '\n':
			out = append(out, `\n`...)
		case c == '\r':
			out = append(out, `\r`...)
		case c == '\t':
			out = append(out, `\t`...)
		default:
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(out, '"')
}
