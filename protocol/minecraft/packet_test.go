package minecraft

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestVarIntGolden(t *testing.T) {
	for want, v := range map[string]int32{ // samples of the protocol's documentation
		"00": 0, "01": 1, "7f": 127, "8001": 128, "ff01": 255, "ddc701": 25565, "ffff7f": 2097151,
		"ffffffff07": math.MaxInt32, "ffffffff0f": -1, "8080808008": math.MinInt32,
	} {
		got := AppendVarInt(nil, v)
		if hex.EncodeToString(got) != want {
			t.Errorf("%d is written as %x, want %s", v, got, want)
		}
		back, err := ReadVarInt(bytes.NewReader(got))
		if err != nil || back != v {
			t.Errorf("%s is read as %d (%v), want %d", want, back, err, v)
		}
	}
	for text, want := range map[string]error{"": io.EOF, "80": io.ErrUnexpectedEOF, "ffffffffff01": ErrMalformed} {
		b, _ := hex.DecodeString(text)
		if _, err := ReadVarInt(bytes.NewReader(b)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func TestPacketRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int32().Draw(t, "id")
		data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		wire := AppendPacket([]byte("before"), id, data)[len("before"):]
		p, err := ReadPacket(bufio.NewReader(bytes.NewReader(append(wire, "after"...))), 400)
		if err != nil || p.ID != id || !bytes.Equal(p.Data, data) {
			t.Fatalf("%+v, %v", p, err)
		}
	})
}

func TestReadPacketRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		wire string
		want error
	}{
		"nothing":         {"", io.EOF},
		"cut length":      {"ff", io.ErrUnexpectedEOF},
		"zero":            {"00", ErrMalformed},
		"negative":        {"ffffffff0f", ErrMalformed},
		"over the limit":  {"6500", ErrTooLarge},
		"huge":            {"ffffffff0700", ErrTooLarge},
		"cut body":        {"0500", io.ErrUnexpectedEOF},
		"id without end":  {"01ff", ErrMalformed},
		"length too long": {"ffffffffff01", ErrMalformed},
	} {
		wire, _ := hex.DecodeString(c.wire)
		if _, err := ReadPacket(bufio.NewReader(bytes.NewReader(wire)), 100); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestF31PromiseCostsNothing: a peer that promises a large packet and sends nothing does not make us hold memory for it.
func TestF31PromiseCostsNothing(t *testing.T) {
	wire := AppendVarInt(nil, MaxStatus)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, err := ReadPacket(bufio.NewReaderSize(bytes.NewReader(wire), 16), MaxStatus); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / 100; each > 8<<10 {
		t.Errorf("%d bytes allocated for one empty promise", each)
	}
}

func TestDecoderFirstFaultSticks(t *testing.T) {
	d := NewDecoder([]byte{0x05, 'a', 'b'})
	if s := d.String(10); s != "" || !errors.Is(d.Err(), ErrMalformed) || !strings.Contains(d.Err().Error(), "string cut") {
		t.Errorf("%q, %v", s, d.Err())
	}
	first := d.Err()
	if d.Uint16() != 0 || d.Int64() != 0 || d.Bool() || d.VarInt() != 0 || d.UUID() != (UUID{}) || d.Len() != 0 || !errors.Is(d.Err(), first) {
		t.Error("a decoder with a fault went on reading")
	}
	for name, data := range map[string][]byte{"not UTF-8": {2, 0xff, 0xfe}, "too long": {11, 'a'}, "negative": {0xff, 0xff, 0xff, 0xff, 0x0f}} {
		d := NewDecoder(data)
		if d.String(10); d.Err() == nil {
			t.Errorf("string %s was taken", name)
		}
	}
	d = NewDecoder([]byte{2})
	if d.Bool(); d.Err() == nil {
		t.Error("bool 2 was taken")
	}
}

func FuzzVarInt(f *testing.F) {
	for _, seed := range []string{"00", "ddc701", "ffffffff0f", "8080808008", "ffffffffff", "80"} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		v, err := ReadVarInt(r)
		if err != nil {
			return
		}
		again, err := ReadVarInt(bytes.NewReader(AppendVarInt(nil, v)))
		if err != nil || again != v {
			t.Fatalf("%d came back as %d (%v)", v, again, err)
		}
		if read := len(b) - r.Len(); read > maxVarIntLen || len(AppendVarInt(nil, v)) > read {
			t.Fatalf("%d bytes read for %d", read, v)
		}
	})
}
