package console

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// A history is a row of frames, each {size u32, CRC-32C u32, body}. One append is one frame: either all of its lines and the new place
// in Docker's log are there, or nothing of them. A frame whose sum is wrong at the end of the newest segment was never seen by anyone: it is cut off.
//
// body: flags u8 · [source: len uvarint, id] · [place: 2 × {at i64, count uvarint, open u8}] · count uvarint · first seq u64 · first time i64 ·
// count × {seq step uvarint, kind u8, time step varint (ns), len uvarint, text}.
const (
	frameHead = 8
	maxBody   = 512 << 10

	hasSource = 1
	hasPlace  = 2
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errTorn    = errors.New("torn frame")
	errDamaged = errors.New("damaged frame")
)

var kindCodes = map[protocol.LineKind]byte{"": 0, protocol.LineGap: 1, protocol.LineCommand: 2, protocol.LineSystem: 3, protocol.LinePart: 4}

var kinds = [...]protocol.LineKind{"", protocol.LineGap, protocol.LineCommand, protocol.LineSystem, protocol.LinePart}

// frame is one append.
type frame struct {
	place *place // nil = unchanged
	lines []protocol.Line
}

// appendFrame encodes f behind b. withSource names the container, which is needed in the first frame of a segment and when it changes.
func appendFrame(b []byte, f frame, withSource bool) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	if f.place != nil {
		if withSource {
			b[start+frameHead] |= hasSource
			b = binary.AppendUvarint(b, uint64(len(f.place.source)))
			b = append(b, f.place.source...)
		}
		b[start+frameHead] |= hasPlace
		for _, m := range f.place.streams {
			b = binary.LittleEndian.AppendUint64(b, uint64(m.at))
			b = binary.AppendUvarint(b, uint64(m.count))
			b = append(b, boolByte(m.open))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(f.lines)))
	if len(f.lines) > 0 {
		seq, at := f.lines[0].Seq, f.lines[0].Time.UnixNano()
		b = binary.LittleEndian.AppendUint64(b, uint64(seq))
		b = binary.LittleEndian.AppendUint64(b, uint64(at))
		for _, l := range f.lines {
			b = binary.AppendUvarint(b, uint64(l.Seq-seq))
			b = append(b, kindCodes[l.Kind])
			t := l.Time.UnixNano()
			b = binary.AppendVarint(b, t-at)
			b = binary.AppendUvarint(b, uint64(len(l.Text)))
			b = append(b, l.Text...)
			seq, at = l.Seq, t
		}
	}
	body := b[start+frameHead:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli))
	return b
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// frameSize gives the whole size of the frame at the start of b: errTorn when it is not all there.
func frameSize(b []byte) (int, error) {
	if len(b) < frameHead {
		return 0, errTorn
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > maxBody {
		return 0, errDamaged
	}
	if len(b) < frameHead+int(n) {
		return frameHead + int(n), errTorn
	}
	return frameHead + int(n), nil
}

// visitFrame checks the frame in b (exactly one) and calls line for each line in it until that says no. p, if not nil, is moved to the frame's place.
func visitFrame(b []byte, p *place, line func(protocol.Line) bool) error {
	body := b[frameHead:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return errDamaged
	}
	d := decoder{b: body}
	flags := d.byte()
	if flags&hasSource != 0 {
		if id := d.text(); p != nil {
			p.source = id
		}
	}
	if flags&hasPlace != 0 {
		for i := range 2 {
			m := mark{at: int64(d.u64()), count: int(d.uvarint()), open: d.byte() == 1}
			if p != nil {
				p.streams[i] = m
			}
		}
	}
	n := d.uvarint()
	if n == 0 || line == nil {
		return d.err
	}
	seq, at := int64(d.u64()), int64(d.u64())
	for i := uint64(0); i < n && d.err == nil; i++ {
		seq += int64(d.uvarint())
		kind := d.byte()
		at += d.varint()
		text := d.text()
		if d.err == nil && int(kind) >= len(kinds) {
			return errDamaged
		}
		if d.err == nil && !line(protocol.Line{Seq: seq, Time: time.Unix(0, at).UTC(), Text: text, Kind: kinds[kind]}) {
			return nil
		}
	}
	return d.err
}

// decoder reads from b until something does not fit; then err is set and every value is zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() { d.err, d.b = errDamaged, nil }

func (d *decoder) byte() byte {
	if len(d.b) < 1 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) u64() uint64 {
	if len(d.b) < 8 {
		d.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return ""
	}
	v := string(d.b[:n])
	d.b = d.b[n:]
	return v
}
