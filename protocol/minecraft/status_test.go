package minecraft

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func statusPacket(text string) Packet {
	return Packet{ID: IDStatusResponse, Data: AppendString(nil, text)}
}

func TestStatusOfRealServers(t *testing.T) {
	for file, want := range map[string]Status{
		"paper.json": {Version: "Paper 1.21.4", Protocol: 769, Online: 2, Max: 20, Sample: []string{"Alice", "Bob"},
			Description: "Welcome to our server", Favicon: "data:image/png;base64,iVBORw0KGgo="},
		"forge.json":  {Version: "1.12.2", Protocol: 340, Online: 0, Max: 10, Description: "A modded\nserver"},
		"hidden.json": {Version: "BungeeCord", Protocol: 769, Online: -1, Max: -1, Description: "multiplayer.status x"},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseStatus(statusPacket(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

func TestStatusRefuses(t *testing.T) {
	for name, p := range map[string]Packet{
		"other packet": {ID: 1, Data: statusPacket("{}").Data},
		"empty":        {},
		"not JSON":     statusPacket("hello"),
		"wrong types":  statusPacket(`{"players":{"online":"many"}}`),
		"a number":     statusPacket("1e999"),
		"too deep":     statusPacket(strings.Repeat("[", 20000)),
	} {
		if s, err := ParseStatus(p); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	// Deep components are legal JSON; the text is cut, the stack is not.
	deep := `{"description":` + strings.Repeat(`{"text":"a","extra":[`, 2000) + strings.Repeat(`]}`, 2000) + `}`
	s, err := ParseStatus(statusPacket(deep))
	if err != nil || !strings.HasPrefix(s.Description, "aaaa") || len(s.Description) > maxTextDepth {
		t.Errorf("%.40q, %v", s.Description, err)
	}
}

func TestStatusResponseGolden(t *testing.T) {
	s := Status{Version: "1.21.4", Protocol: 769, Online: 1, Max: 20, Description: `sleeping, "join" to wake`}
	wire, err := s.AppendResponse(nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"version":{"name":"1.21.4","protocol":769},"players":{"max":20,"online":1},"description":{"text":"sleeping, \"join\" to wake"}}`
	p, err := ReadPacket(bufio.NewReader(bytes.NewReader(wire)), MaxStatus)
	if err != nil || p.ID != IDStatusResponse {
		t.Fatal(p.ID, err)
	}
	d := NewDecoder(p.Data)
	if got := d.String(MaxStatus); got != want || d.Len() != 0 {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := ParseStatus(p)
	if diff := cmp.Diff(s, back); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	hidden, err := Status{Online: -1, Max: -1}.AppendResponse(nil)
	if err != nil || bytes.Contains(hidden, []byte("players")) {
		t.Errorf("unknown players are written as %q, %v", hidden, err)
	}
}

func TestLegacyPingIsRecognised(t *testing.T) {
	long := Handshake{769, strings.Repeat("a", 246), 25565, IntentLogin}.AppendPacket(nil)
	if hex.EncodeToString(long[:3]) != "fe0100" {
		t.Fatalf("%x: this handshake was to begin as an old ping does", long[:3])
	}
	for name, c := range map[string]struct {
		first []byte
		want  bool
	}{
		"beta": {[]byte{0xFE}, true}, "1.4": {[]byte{0xFE, 0x01}, true}, "1.6": {[]byte{0xFE, 0x01, 0xFA, 0x00}, true},
		"a handshake of 254 bytes": {long, false}, "another long one": {[]byte{0xFE, 0x02, 0x00}, false},
		"nothing": {nil, false}, "usual": {Handshake{769, "a", 1, 1}.AppendPacket(nil), false},
	} {
		if got := IsLegacyPing(c.first); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLegacyPongGolden(t *testing.T) {
	s := Status{Version: "1.6.4", Protocol: 78, Online: 3, Max: 20, Description: "A server"}
	got := hex.EncodeToString(s.AppendLegacyPong(nil))
	const want = "ff0019" + "00a70031" + "0000" + "00370038" + "0000" + "0031002e0036002e0034" + "0000" + "004100200073006500720076006500720000" + "0033" + "0000" + "00320030"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	b, _ := hex.DecodeString(got)
	back, err := ParseLegacyPong(b)
	if diff := cmp.Diff(s, back); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range [][]byte{nil, {0xff}, b[:len(b)-1], append(bytes.Clone(b), 0), append([]byte{0xfe}, b[1:]...)} {
		if _, err := ParseLegacyPong(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", bad, err)
		}
	}
	sly := Status{Description: "a\x00b", Version: "\x00", Online: -1}
	if back, err := ParseLegacyPong(sly.AppendLegacyPong(nil)); err != nil || back.Description != "ab" || back.Online != 0 {
		t.Errorf("%+v, %v", back, err)
	}
}

func FuzzStatus(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"description":{"text":"§"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseStatus(statusPacket(text))
		if err != nil {
			if json.Valid([]byte(text)) && !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		wire, err := s.AppendResponse(nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ReadPacket(bufio.NewReader(bytes.NewReader(wire)), 8*MaxStatus)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Data) > MaxStatus {
			return
		}
		back, err := ParseStatus(p)
		if err != nil || back.Version != s.Version || back.Favicon != s.Favicon || back.Protocol != s.Protocol {
			t.Fatalf("%+v became %+v (%v)", s, back, err)
		}
		s.AppendLegacyPong(nil)
	})
}
