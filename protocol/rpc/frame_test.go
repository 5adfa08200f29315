package rpc

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/protocol"
)

func drawHeader(t *rapid.T) header {
	h := header{
		kind: kind(rapid.IntRange(int(kindCall), int(kindBreak)).Draw(t, "kind")),
		body: rapid.IntRange(0, 1<<31-1).Draw(t, "body"),
	}
	if h.kind == kindCall {
		h.method = rapid.Uint16().Draw(t, "method")
		h.call = rapid.Uint64().Draw(t, "call")
		h.term = rapid.Int64Min(0).Draw(t, "term")
		h.deadline = time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "deadline")) * time.Millisecond
		copy(h.trace[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace"))
	}
	return h
}

func TestHeaderRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawHeader(t)
		raw := want.append(nil)
		if len(raw) > headRoom {
			t.Fatalf("%d bytes do not fit the room of %d", len(raw), headRoom)
		}
		// Fields of a later version stand after the known ones.
		more := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "more")
		raw = append(raw, more...)
		raw[1] += byte(len(more))
		got, err := readHeader(bufio.NewReader(bytes.NewReader(append(raw, "body"...))))
		if err != nil || got != want {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	})
}

func TestHeaderReadsNothingOfTheBody(t *testing.T) {
	h := header{kind: kindReply, body: 4}
	br := bufio.NewReader(bytes.NewReader(append(h.append(nil), "body"...)))
	if _, err := readHeader(br); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(br); string(rest) != "body" {
		t.Errorf("%q is left", rest)
	}
}

func FuzzFrame(f *testing.F) {
	for _, h := range []header{{kind: kindCall, method: 20, call: 1, term: 3, deadline: time.Second, body: 2}, {kind: kindReply, body: 2}, {kind: kindEnd}} {
		f.Add(append(h.append(nil), "{}"...))
	}
	f.Add([]byte{1, 255})
	f.Add((&header{kind: kindReply, body: 1 << 30}).append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		br := bufio.NewReader(bytes.NewReader(raw))
		h, err := readHeader(br)
		if err != nil {
			if !errors.Is(err, errFrame) && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return
		}
		if h.body < 0 || h.deadline < 0 || h.term < 0 {
			t.Fatalf("%+v", h)
		}
		m := getMessage()
		defer putMessage(m)
		body, err := m.readBody(br, h.body)
		if err == nil && len(body) != h.body || cap(m.b) > 4*(len(raw)+keepBuffer) {
			t.Fatalf("%d bytes, capacity %d, for %d", len(body), cap(m.b), h.body)
		}
		again, err := readHeader(bufio.NewReader(bytes.NewReader(h.append(nil))))
		if err != nil || again != h {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}

// FuzzHello: what an agent says first, as the controller reads it.
func FuzzHello(f *testing.F) {
	m := getMessage()
	_ = m.encode(&protocol.Hello{Run: "r", Inventory: []protocol.Observed{{Server: "srv_a", Exit: &protocol.Exit{Code: 1}}}})
	f.Add(append([]byte(nil), m.b[headRoom:]...))
	f.Add([]byte(`{"facts":null,"inventory":[{}],"now":"2026-13-01T00:00:00Z"}`))
	f.Add([]byte(`{"generation":1e400}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var hello protocol.Hello
		if err := decode(raw, &hello); err != nil {
			return
		}
		_ = protocol.HomeHello.Objects(hello)
		m := getMessage()
		defer putMessage(m)
		if err := m.encode(&hello); err != nil {
			return // a time beyond year 9999 is read and cannot be written
		}
		var again protocol.Hello
		if err := decode(m.b[headRoom:], &again); err != nil || again.Run != hello.Run || len(again.Inventory) != len(hello.Inventory) {
			t.Fatalf("%v: %+v", err, again)
		}
	})
}
