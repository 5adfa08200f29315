package postgres

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// number appends a number as numeric prints it: without an exponent, with the digits after the point that were given.
func (s *speller) number() error {
	from := s.at
	for s.at < len(s.in) && bytes.IndexByte([]byte("+-.eE0123456789"), s.in[s.at]) >= 0 {
		s.at++
	}
	token := s.in[from:s.at]
	negative := token[0] == '-'
	if negative {
		token = token[1:]
	}
	exp := 0
	if i := bytes.IndexAny(token, "eE"); i >= 0 {
		n, err := strconv.Atoi(string(token[i+1:]))
		if err != nil && !isNumber(token[i+1:]) {
			return errJSON
		}
		if err != nil || n > store.MaxExponent || n < -store.MaxExponent {
			return fault.Wrap(store.ErrInvalid, fault.Invalid,
				fmt.Sprintf("the number %.40s has an exponent beyond %d", s.in[from:s.at], store.MaxExponent), "use a smaller number")
		}
		exp, token = n, token[:i]
	}
	whole, part := token, []byte(nil)
	if i := bytes.IndexByte(token, '.'); i >= 0 {
		whole, part = token[:i], token[i+1:]
	}
	if len(whole) == 0 || !digits(whole) || !digits(part) {
		return errJSON
	}
	if exp != 0 {
		whole, part = shift(whole, part, exp)
	}
	if negative && (bytes.Trim(whole, "0") != nil && len(bytes.Trim(whole, "0")) > 0 || len(bytes.Trim(part, "0")) > 0) {
		s.out = append(s.out, '-')
	}
	s.out = append(s.out, whole...)
	if len(part) > 0 {
		s.out = append(append(s.out, '.'), part...)
	}
	return nil
}

// shift moves the point exp digits to the right (to the left when negative).
func shift(whole, part []byte, exp int) (w, p []byte) {
	all := append(bytes.Clone(whole), part...)
	point := len(whole) + exp
	switch {
	case point <= 0:
		w, p = []byte("0"), append(bytes.Repeat([]byte("0"), -point), all...)
	case point >= len(all):
		w = append(all, bytes.Repeat([]byte("0"), point-len(all))...)
	default:
		w, p = all[:point], all[point:]
	}
	if w = bytes.TrimLeft(w, "0"); len(w) == 0 {
		w = []byte("0")
	}
	return w, p
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func isNumber(b []byte) bool {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	return len(b) > 0 && digits(b)
}
