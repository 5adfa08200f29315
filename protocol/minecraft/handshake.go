package minecraft

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Handshake is the first packet of every connection since 1.7.
type Handshake struct {
	Protocol int32  // protocol number of the client; -1 from programs that only ask for the status
	Address  string // as sent: may carry suffixes of mods and proxies behind a NUL, and a trailing dot after an SRV lookup
	Port     uint16
	Intent   Intent
}

// ParseHandshake reads the packet that opens a connection.
func ParseHandshake(p Packet) (Handshake, error) {
	if p.ID != IDHandshake {
		return Handshake{}, fmt.Errorf("%w: packet %#x where a handshake was expected", ErrMalformed, p.ID)
	}
	d := NewDecoder(p.Data)
	h := Handshake{Protocol: d.VarInt(), Address: d.String(maxAddress), Port: d.Uint16(), Intent: Intent(d.VarInt())}
	if d.Err() == nil && d.Len() > 0 {
		d.fail("bytes behind the handshake")
	}
	if d.Err() == nil && (h.Intent < IntentStatus || h.Intent > IntentTransfer) {
		d.fail(fmt.Sprintf("intent %d", h.Intent))
	}
	if d.Err() != nil {
		return Handshake{}, d.Err()
	}
	return h, nil
}

// AppendPacket appends the handshake as a framed packet.
func (h Handshake) AppendPacket(dst []byte) []byte {
	data := AppendVarInt(nil, h.Protocol)
	data = AppendString(data, h.Address)
	data = binary.BigEndian.AppendUint16(data, h.Port)
	data = AppendVarInt(data, int32(h.Intent))
	return AppendPacket(dst, IDHandshake, data)
}

// Host is the name that the player typed, in the form to look up a route with: lower case, without what Forge
// ("\x00FML3\x00") or a proxy ("\x00ip\x00uuid", "///ip") appends and without the trailing dot of an SRV target.
func (h Handshake) Host() string {
	host, _, _ := strings.Cut(h.Address, "\x00")
	host, _, _ = strings.Cut(host, "///")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
