package store

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/payperplay/payperplay/controller/fault"
)

// MaxText is the longest key or index text in bytes.
const MaxText = 512

// tableName is what both engines can use as a name without quoting.
var tableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// CheckText says whether s can be an index value: valid UTF-8 without NUL, at most MaxText bytes. Otherwise ErrInvalid.
func CheckText(s string) error {
	switch {
	case len(s) > MaxText:
		return invalid(fmt.Sprintf("a text of %d bytes is too long for an index: at most %d", len(s), MaxText))
	case strings.IndexByte(s, 0) >= 0:
		return invalid(fmt.Sprintf("the text %q contains a NUL byte", s))
	case !utf8.ValidString(s):
		return invalid(fmt.Sprintf("the text %q is not valid UTF-8", s))
	}
	return nil
}

// CheckKey is CheckText for a primary key, which must not be empty either.
func CheckKey(s string) error {
	if s == "" {
		return invalid("the key is empty")
	}
	return CheckText(s)
}

// CheckDoc refuses a JSON document with texts that Postgres' jsonb cannot hold or that encoding/json has silently changed:
// an escaped NUL, an invalid byte (which Go writes as the escape \ufffd; a real U+FFFD is written as itself), half a surrogate;
// and one beyond the bounds of limits.go.
func CheckDoc(doc []byte) error {
	if !utf8.Valid(doc) {
		return invalid("the document is not valid UTF-8")
	}
	if err := checkLimits(doc); err != nil {
		return err
	}
	for rest := doc; ; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 || i+1 >= len(rest) {
			return nil
		}
		rest = rest[i+1:]
		if rest[0] != 'u' || len(rest) < 5 {
			rest = rest[1:]
			continue
		}
		n, err := strconv.ParseUint(string(rest[1:5]), 16, 16)
		rest = rest[5:]
		switch {
		case err != nil:
			return invalid("the document has a broken escape")
		case n == 0:
			return invalid("the document contains a NUL character")
		case n == 0xfffd:
			return invalid("the document contains a text that is not valid UTF-8")
		case n >= 0xdc00 && n <= 0xdfff, n >= 0xd800 && n <= 0xdbff && !lowSurrogate(rest):
			return invalid("the document contains half a surrogate pair")
		case n >= 0xd800 && n <= 0xdbff:
			rest = rest[6:]
		}
	}
}

func lowSurrogate(b []byte) bool {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return err == nil && n >= 0xdc00 && n <= 0xdfff
}

func invalid(why string) error {
	return fault.Wrap(ErrInvalid, fault.Invalid, why, fault.Next(ErrInvalid))
}

// SeqKey is a number from a sequence as a primary key: byte order is numeric order.
func SeqKey(n int64) string { return fmt.Sprintf("%020d", n) }
