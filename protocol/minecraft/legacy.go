package minecraft

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// LegacyPing is the first byte of a server-list ping from before 1.7, where a new client sends the length of its
// handshake. A handshake of 0xFE… would be over 100 bytes with a continuation, so see IsLegacyPing.
const LegacyPing = 0xFE

// IsLegacyPing tells from the first bytes of a connection (two are enough) whether it is a ping from before 1.7: 0xFE
// alone (beta to 1.3) or 0xFE 0x01 (1.4 to 1.6). As a VarInt, FE 01 would be a packet of 254 bytes, which no client
// sends first: a handshake with such an address has the packet id 0 as its third byte, where 1.6 sends 0xFA.
func IsLegacyPing(first []byte) bool {
	switch {
	case len(first) == 0 || first[0] != LegacyPing:
		return false
	case len(first) == 1:
		return true
	case first[1] != 0x01:
		return false
	}
	return len(first) == 2 || first[2] == 0xFA
}

// AppendLegacyPong appends the kick packet that answers such a ping; 1.4 to 1.6 read all fields.
func (s Status) AppendLegacyPong(dst []byte) []byte {
	clean := func(t string) string { return strings.ReplaceAll(t, "\x00", "") }
	text := strings.Join([]string{"§1", strconv.Itoa(int(s.Protocol)), clean(s.Version), clean(s.Description),
		strconv.Itoa(max(s.Online, 0)), strconv.Itoa(max(s.Max, 0))}, "\x00")
	units := utf16.Encode([]rune(text))
	dst = append(dst, 0xFF)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(units)))
	for _, u := range units {
		dst = binary.BigEndian.AppendUint16(dst, u)
	}
	return dst
}

// ParseLegacyPong reads the answer to a 1.4–1.6 ping.
func ParseLegacyPong(b []byte) (Status, error) {
	if len(b) < 3 || b[0] != 0xFF || len(b) != 3+2*int(binary.BigEndian.Uint16(b[1:])) {
		return Status{}, fmt.Errorf("%w: legacy pong", ErrMalformed)
	}
	units := make([]uint16, 0, (len(b)-3)/2)
	for i := 3; i < len(b); i += 2 {
		units = append(units, binary.BigEndian.Uint16(b[i:]))
	}
	fields := strings.Split(string(utf16.Decode(units)), "\x00")
	if len(fields) != 6 || fields[0] != "§1" {
		return Status{}, fmt.Errorf("%w: legacy pong with %d fields", ErrMalformed, len(fields))
	}
	var numbers [3]int
	for i, at := range []int{1, 4, 5} {
		n, err := strconv.ParseInt(fields[at], 10, 32)
		if err != nil {
			return Status{}, fmt.Errorf("%w: legacy pong: %v", ErrMalformed, err)
		}
		numbers[i] = int(n)
	}
	return Status{Protocol: int32(numbers[0]), Version: fields[2], Description: dropCodes(fields[3]), Online: numbers[1], Max: numbers[2]}, nil
}
