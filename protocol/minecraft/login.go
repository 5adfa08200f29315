package minecraft

import (
	"crypto/md5" //nolint:gosec // the protocol's own rule for offline ids, not a secret
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// UUID is a player's id.
type UUID [16]byte

// String gives the form with dashes.
func (u UUID) String() string {
	s := hex.EncodeToString(u[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// OfflineUUID is the id that a server without Mojang authentication gives to a name (version 3, as Java computes it).
func OfflineUUID(name string) UUID {
	u := UUID(md5.Sum([]byte("OfflinePlayer:" + name))) //nolint:gosec // see the import
	u[6] = u[6]&0x0f | 0x30
	u[8] = u[8]&0x3f | 0x80
	return u
}

// LoginStart is the first packet of the login state.
type LoginStart struct {
	Name string
	ID   UUID // what the client claims; zero where its version does not send one
}

// Protocol numbers at which LoginStart changed.
const (
	protocol1193 = 761 // optional id behind the name
	protocol1202 = 764 // id always
)

// ParseLoginStart reads the login packet of any version: the name, and the id where the version puts it right behind.
// What other versions append (the signed key of 1.19) is skipped: whoever needs it checks it himself.
func ParseLoginStart(protocol int32, p Packet) (LoginStart, error) {
	if p.ID != IDLoginStart {
		return LoginStart{}, fmt.Errorf("%w: packet %#x where a login was expected", ErrMalformed, p.ID)
	}
	d := NewDecoder(p.Data)
	l := LoginStart{Name: d.String(maxName * utf8.UTFMax)}
	switch {
	case protocol >= protocol1202:
		l.ID = d.UUID()
	case protocol >= protocol1193:
		if d.Bool() {
			l.ID = d.UUID()
		}
	}
	if d.Err() != nil {
		return LoginStart{}, d.Err()
	}
	if err := checkName(l.Name); err != nil {
		return LoginStart{}, err
	}
	return l, nil
}

func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName {
		return fmt.Errorf("%w: a name of %d characters", ErrMalformed, n)
	}
	for _, r := range name {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			return fmt.Errorf("%w: %q in a name", ErrMalformed, r)
		}
	}
	return nil
}

// AppendLoginKick appends a Disconnect packet of the login state; every version shows its text.
func AppendLoginKick(dst []byte, text string) []byte {
	return AppendPacket(dst, IDLoginKick, AppendString(nil, TextJSON(text)))
}

// TextJSON is a chat component that shows text as it is.
func TextJSON(text string) string {
	b, err := json.Marshal(map[string]string{"text": text})
	if err != nil { // a map of strings always encodes
		return `{"text":""}`
	}
	return string(b)
}
