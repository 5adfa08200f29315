package minecraft

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, wire []byte) Packet {
	t.Helper()
	p, err := ReadPacket(bufio.NewReader(bytes.NewReader(wire)), MaxLogin)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHandshakeGolden(t *testing.T) {
	for name, c := range map[string]struct {
		wire string
		want Handshake
		host string
	}{
		"1.21.4 joins":     {"12008106" + "0c706c61792e746573742e6465" + "63dd02", Handshake{769, "play.test.de", 25565, IntentLogin}, "play.test.de"},
		"status, -1":       {"1000ffffffff0f" + "0548656c6c4f" + "63dd01", Handshake{-1, "HellO", 25565, IntentStatus}, "hello"},
		"transfer":         {"0a008106" + "03612e62" + "63dd03", Handshake{769, "a.b", 25565, IntentTransfer}, "a.b"},
		"SRV trailing dot": {"0b008106" + "04612e622e" + "63dd02", Handshake{769, "a.b.", 25565, IntentLogin}, "a.b"},
		"Forge":            {"0f00d402" + "08612e6200464d4c00" + "63dd02", Handshake{340, "a.b\x00FML\x00", 25565, IntentLogin}, "a.b"},
		"Forge 1.18":       {"1000f605" + "09612e6200464d4c3300" + "63dd02", Handshake{758, "a.b\x00FML3\x00", 25565, IntentLogin}, "a.b"},
		"BungeeCord":       {"1400f605" + "0d" + "612e6200312e322e332e340061" + "63dd02", Handshake{758, "a.b\x001.2.3.4\x00a", 25565, IntentLogin}, "a.b"},
		"TCPShield":        {"0f00f605" + "08612e622f2f2f312e" + "63dd02", Handshake{758, "a.b///1.", 25565, IntentLogin}, "a.b"},
		"no address":       {"07008106" + "00" + "63dd02", Handshake{769, "", 25565, IntentLogin}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := hex.DecodeString(c.wire[2:])
			if err != nil {
				t.Fatal(err)
			}
			wire := append(AppendVarInt(nil, int32(len(body))), body...)
			h, err := ParseHandshake(read(t, wire))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, h); diff != "" {
				t.Error(diff)
			}
			if h.Host() != c.host {
				t.Errorf("host %q, want %q", h.Host(), c.host)
			}
			if again := h.AppendPacket(nil); !bytes.Equal(again, wire) {
				t.Errorf("written as %x, read from %x", again, wire)
			}
		})
	}
}

func TestHandshakeRefuses(t *testing.T) {
	good := Handshake{769, "a.b", 25565, IntentLogin}
	for name, p := range map[string]Packet{
		"other packet": {ID: 1, Data: read(t, good.AppendPacket(nil)).Data},
		"empty":        {},
		"cut":          {Data: read(t, good.AppendPacket(nil)).Data[:4]},
		"tail":         {Data: append(read(t, good.AppendPacket(nil)).Data, 0)},
		"intent 0":     read(t, Handshake{769, "a.b", 25565, 0}.AppendPacket(nil)),
		"intent 4":     read(t, Handshake{769, "a.b", 25565, 4}.AppendPacket(nil)),
		"intent -1":    read(t, Handshake{769, "a.b", 25565, -1}.AppendPacket(nil)),
		"long address": read(t, Handshake{769, strings.Repeat("a", maxAddress+1), 25565, 2}.AppendPacket(nil)),
		"not UTF-8":    read(t, Handshake{769, "a\xff", 25565, 2}.AppendPacket(nil)),
	} {
		if _, err := ParseHandshake(p); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func login(name string, tail ...byte) Packet {
	return Packet{ID: IDLoginStart, Data: append(AppendString(nil, name), tail...)}
}

func TestLoginStart(t *testing.T) {
	id := OfflineUUID("Alice")
	with := append([]byte{1}, id[:]...)
	for name, c := range map[string]struct {
		protocol int32
		packet   Packet
		want     LoginStart
	}{
		"1.8":             {47, login("Alice"), LoginStart{Name: "Alice"}},
		"1.19, with key":  {759, login("Alice", 1, 2, 3), LoginStart{Name: "Alice"}},
		"1.19.3 with id":  {761, login("Alice", with...), LoginStart{"Alice", id}},
		"1.19.3 without":  {761, login("Alice", 0), LoginStart{Name: "Alice"}},
		"1.20.2":          {764, login("Alice", id[:]...), LoginStart{"Alice", id}},
		"1.21.4":          {769, login("Alice", id[:]...), LoginStart{"Alice", id}},
		"Geyser's prefix": {769, login(".Bob_7", id[:]...), LoginStart{".Bob_7", id}},
		"16 letters":      {47, login("abcdefghijklmnop"), LoginStart{Name: "abcdefghijklmnop"}},
	} {
		got, err := ParseLoginStart(c.protocol, c.packet)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct {
		protocol int32
		packet   Packet
	}{
		"other packet": {47, Packet{ID: 1, Data: login("Alice").Data}},
		"no name":      {47, login("")},
		"17 letters":   {47, login("abcdefghijklmnopq")},
		"space":        {47, login("a b")},
		"newline":      {47, login("a\nb")},
		"escape":       {47, login("a\x1b[2J")},
		"RTL override": {47, login("a\u202eb")},
		"no id":        {764, login("Alice")},
		"cut id":       {764, login("Alice", id[:15]...)},
		"bad flag":     {761, login("Alice", 7)},
		"nothing":      {47, Packet{}},
	} {
		if got, err := ParseLoginStart(c.protocol, c.packet); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestOfflineUUID(t *testing.T) {
	for name, want := range map[string]string{ // as flying-squid and vanilla's offline mode give them
		"Alice": "10920508-d5d8-3eed-93d2-92f193afe7d7", "Bob": "faa5dca3-c3d4-354b-ae1b-dde9e5a14b3b",
	} {
		if got := OfflineUUID(name).String(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestLoginKickGolden(t *testing.T) {
	got := hex.EncodeToString(AppendLoginKick(nil, `starting, "wait"`))
	text := `{"text":"starting, \"wait\""}`
	want := hex.EncodeToString(AppendVarInt(nil, int32(2+len(text)))) + "00" + hex.EncodeToString(AppendString(nil, text))
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzHandshake(f *testing.F) {
	for _, h := range []Handshake{{769, "play.test.de", 25565, 2}, {-1, "", 0, 1}, {340, "a\x00FML\x00", 1, 2}, {0, strings.Repeat("ä", 255), 65535, 3}} {
		f.Add(h.AppendPacket(nil))
	}
	f.Add(AppendPacket(nil, IDLoginStart, AppendString(nil, "Alice")))
	f.Fuzz(func(t *testing.T, wire []byte) {
		p, err := ReadPacket(bufio.NewReader(bytes.NewReader(wire)), MaxHandshake)
		if err != nil {
			return
		}
		for _, protocol := range []int32{47, 759, 761, 764} {
			if l, err := ParseLoginStart(protocol, p); err == nil && (l.Name == "" || len(l.Name) > 64 || strings.ContainsAny(l.Name, "\x00\n\r\x1b ")) {
				t.Fatalf("name %q", l.Name)
			}
		}
		h, err := ParseHandshake(p)
		if err != nil {
			return
		}
		if strings.ContainsRune(h.Host(), 0) || len(h.Host()) > maxAddress {
			t.Fatalf("host %q", h.Host())
		}
		again, err := ParseHandshake(read(t, h.AppendPacket(nil)))
		if err != nil || again != h {
			t.Fatalf("%+v became %+v (%v)", h, again, err)
		}
	})
}
