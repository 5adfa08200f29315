package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/payperplay/payperplay/controller/store"
)

// The walk below reads bbolt's pages with plain bounded reads, before anything maps the file: bbolt itself panics on a
// damaged page, on a goroutine of its own at open, and its reads outside the mapping end the process.
//
// A page is 16 bytes of header (number u64, flags u16, count u16, overflow u32) and count elements of 16 bytes: in a
// branch (position u32, key size u32, child u64), in a leaf (flags u32, position u32, key size u32, value size u32).
// A position counts from its own element. A leaf value with flag 1 is a bucket: root page u64, sequence u64, and when the
// root is 0 a leaf page inline. All in native byte order.

const (
	flagBranch = 1
	flagLeaf   = 2
	bucketElem = 1
	bucketSize = 16
	elemSize   = 16
	maxDepth   = 64
)

// pageWalk visits every page that is in use.
type pageWalk struct {
	f        io.ReaderAt
	pageSize int
	high     uint64
	seen     []uint64      // bitmap, used atomically
	idle     chan struct{} // one token for each goroutine more that may walk
	group    sync.WaitGroup

	mu       sync.Mutex
	findings []store.Finding
}

// walker is one goroutine of a walk with its buffers, one for each depth: a page is needed while its children are visited.
type walker struct {
	*pageWalk
	levels [maxDepth + 2]level
}

type level struct {
	buf, long    []byte // of a page, of one with overflow pages
	keys, values [][]byte
}

func (w *pageWalk) add(where, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.findings) < store.MaxFindings {
		w.findings = append(w.findings, store.Finding{Table: where, What: fmt.Sprintf(format, args...)})
	}
}

// walkPages checks the structure below the root page and returns what is wrong. It uses all processors: a controller serves
// only after it.
func walkPages(f io.ReaderAt, h header) []store.Finding {
	w := &pageWalk{f: f, pageSize: int(h.pageSize), high: h.high, seen: make([]uint64, h.high/64+1), idle: make(chan struct{}, runtime.GOMAXPROCS(0)-1)}
	for range cap(w.idle) {
		w.idle <- struct{}{}
	}
	(&walker{pageWalk: w}).page(h.root, "", nil, nil, 0)
	w.group.Wait()
	slices.SortStableFunc(w.findings, func(a, b store.Finding) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.What, b.What))
	})
	return w.findings
}

// spread visits a page and all below it on another goroutine if one is idle, else on this one.
func (w *walker) spread(id uint64, where string, lo, hi []byte, depth int) {
	select {
	case <-w.idle:
	default:
		w.page(id, where, lo, hi, depth)
		return
	}
	lo, hi = bytes.Clone(lo), bytes.Clone(hi)
	w.group.Go(func() {
		(&walker{pageWalk: w.pageWalk}).page(id, where, lo, hi, depth)
		w.idle <- struct{}{}
	})
}

// mark notes that a page is in use and tells whether it was before.
func (w *pageWalk) mark(id uint64) (again bool) {
	bit := uint64(1) << (id % 64)
	return atomic.OrUint64(&w.seen[id/64], bit)&bit != 0
}

func (w *walker) page(id uint64, where string, lo, hi []byte, depth int) {
	if id < 2 || id >= w.high || depth > maxDepth {
		w.add(where, "page %d does not exist (the file has %d)", id, w.high)
		return
	}
	at := &w.levels[depth]
	if at.buf == nil {
		at.buf = make([]byte, w.pageSize)
	}
	buf := at.buf
	if _, err := w.f.ReadAt(buf, int64(id)*int64(w.pageSize)); err != nil {
		w.add(where, "page %d cannot be read: %v", id, err)
		return
	}
	if got := binary.NativeEndian.Uint64(buf); got != id {
		w.add(where, "page %d says it is page %d", id, got)
		return
	}
	over := uint64(binary.NativeEndian.Uint32(buf[12:]))
	if over >= w.high-id {
		w.add(where, "page %d is longer than the file", id)
		return
	}
	for i := id; i <= id+over; i++ {
		if w.mark(i) {
			w.add(where, "page %d is used twice", i)
			return
		}
	}
	if over > 0 {
		need := (int(over) + 1) * w.pageSize
		if cap(at.long) < need {
			at.long = make([]byte, need)
		}
		buf = at.long[:need]
		if _, err := w.f.ReadAt(buf, int64(id)*int64(w.pageSize)); err != nil {
			w.add(where, "page %d cannot be read: %v", id, err)
			return
		}
	}
	w.elements(buf, id, where, lo, hi, depth)
}

// elements checks the keys of a page and goes on to its children. Every key must lie in [lo, hi).
func (w *walker) elements(buf []byte, id uint64, where string, lo, hi []byte, depth int) {
	flags, count := binary.NativeEndian.Uint16(buf[8:]), int(binary.NativeEndian.Uint16(buf[10:]))
	if flags != flagBranch && flags != flagLeaf {
		w.add(where, "page %d has the unknown type %#x", id, flags)
		return
	}
	if pageHeader+count*elemSize > len(buf) || flags == flagBranch && count == 0 {
		w.add(where, "page %d has an impossible number of elements: %d", id, count)
		return
	}
	level := &w.levels[depth]
	if cap(level.keys) < count {
		level.keys, level.values = make([][]byte, 2*count), make([][]byte, 2*count)
	}
	keys, values := level.keys[:count], level.values[:count]
	for i := range count {
		at := pageHeader + i*elemSize
		e := buf[at : at+elemSize]
		pos, ksize, vsize := uint64(binary.NativeEndian.Uint32(e)), uint64(binary.NativeEndian.Uint32(e[4:])), uint64(0)
		if flags == flagLeaf {
			pos, ksize, vsize = ksize, uint64(binary.NativeEndian.Uint32(e[8:])), uint64(binary.NativeEndian.Uint32(e[12:]))
		}
		start := uint64(at) + pos
		if start < uint64(pageHeader+count*elemSize) || start+ksize+vsize > uint64(len(buf)) {
			w.add(where, "element %d of page %d lies outside of it", i, id)
			return
		}
		key := buf[start : start+ksize]
		if i > 0 && bytes.Compare(keys[i-1], key) >= 0 || lo != nil && bytes.Compare(key, lo) < 0 || hi != nil && bytes.Compare(key, hi) >= 0 {
			w.add(where, "element %d of page %d is out of order", i, id)
			return
		}
		keys[i], values[i] = key, buf[start+ksize:start+ksize+vsize]
	}
	w.children(page{buf: buf, id: id, branch: flags == flagBranch, keys: keys, values: values}, where, hi, depth)
}

// page is one whose elements have been checked.
type page struct {
	buf          []byte
	id           uint64
	branch       bool
	keys, values [][]byte
}

func (w *walker) children(p page, where string, hi []byte, depth int) {
	for i := range p.keys {
		e := p.buf[pageHeader+i*elemSize:]
		if p.branch {
			next := hi
			if i+1 < len(p.keys) {
				next = p.keys[i+1]
			}
			w.spread(binary.NativeEndian.Uint64(e[8:]), where, p.keys[i], next, depth+1)
			continue
		}
		switch kind := binary.NativeEndian.Uint32(e); {
		case kind == bucketElem:
			w.bucket(p.values[i], string(p.keys[i]), p.id, depth)
		case kind != 0:
			w.add(where, "element %d of page %d has the unknown type %#x", i, p.id, kind)
		case where == "":
			w.add(string(p.keys[i]), "element %d of page %d should be a table", i, p.id)
		}
	}
}

func (w *walker) bucket(value []byte, name string, id uint64, depth int) {
	if len(value) < bucketSize {
		w.add(name, "its entry on page %d is too short", id)
		return
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		w.spread(root, name, nil, nil, depth+1)
		return
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		w.add(name, "its entry on page %d is malformed", id)
		return
	}
	w.elements(inline, id, name, nil, nil, depth+1)
}
