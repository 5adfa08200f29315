package store

import (
	"bytes"
	"fmt"
)

// Bounds of a document, so that both engines take the same: Postgres ends at some thousands of levels, and at numbers of
// 131,072 digits, which an exponent writes in eight characters.
const (
	MaxDepth    = 1000
	MaxExponent = 1000
)

// checkLimits looks at nesting and exponents of a valid JSON document.
func checkLimits(doc []byte) error {
	depth := 0
	for i := 0; i < len(doc); i++ {
		switch doc[i] {
		case '"':
			i = endOfText(doc, i)
		case '{', '[':
			if depth++; depth > MaxDepth {
				return invalid(fmt.Sprintf("the document is nested deeper than %d levels", MaxDepth))
			}
		case '}', ']':
			depth--
		case 'e', 'E': // of true and false too, after which no digit comes
			if big(doc[i+1:]) {
				return invalid(fmt.Sprintf("the document has a number with an exponent beyond %d", MaxExponent))
			}
		}
	}
	return nil
}

// endOfText is the place of the quote that ends the text beginning at i.
func endOfText(doc []byte, i int) int {
	for i++; i < len(doc); i++ {
		n := bytes.IndexByte(doc[i:], '"')
		if n < 0 {
			return len(doc)
		}
		i += n
		slashes := 0
		for doc[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
	return i
}

// big tells whether the exponent at the beginning of b is beyond MaxExponent.
func big(b []byte) bool {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		b = b[1:]
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			break
		}
		if n = n*10 + int(c-'0'); n > MaxExponent {
			return true
		}
	}
	return false
}
