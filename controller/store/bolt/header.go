package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"golang.org/x/sys/unix"
)

// header is what the two header pages of a bbolt file say, read without mapping the file: a file that is cut off or is
// not bbolt's must be refused before anything maps it.
type header struct {
	headerPage
	damaged string // one of the two pages is not valid: what is wrong
}

// bbolt's header page: 16 bytes of page header, then magic, version, page size, flags (4 bytes each), root page, root
// sequence, freelist page, high-water page, transaction (8 each), and FNV-1a 64 over the 56 bytes before it. Native order.
const (
	pageHeader  = 16
	metaSize    = 64
	bboltMagic  = 0xED0CDAED
	maxPageSize = 65536
)

type headerPage struct {
	pageSize         uint32
	root, high, txid uint64
}

// inspect locks the file for a moment, so that nobody writes meanwhile, and reads its header and structure. A file that
// cannot be opened as a store at all is an error; findings are damage below the header.
func inspect(path string, lock int) (h header, findings []store.Finding, err error) {
	f, err := os.Open(path)
	if err != nil {
		return h, nil, fault.Wrap(err, fault.Unavailable, "the store cannot be read: "+err.Error(), "look at the path, owner and mode of the file")
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return h, nil, err
	case !info.Mode().IsRegular():
		return h, nil, notOurs(path, "it is not a regular file")
	case info.Size() == 0:
		return h, nil, notOurs(path, "it is empty")
	}
	if err := unix.Flock(int(f.Fd()), lock|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = inUse(path)
		}
		return h, nil, err
	}
	if h, err = parseHeader(f, info.Size(), path); err != nil {
		return h, nil, err
	}
	return h, walkPages(f, h), nil
}

func parseHeader(f io.ReaderAt, size int64, path string) (header, error) {
	var pages []headerPage
	var damage []string
	first, err0 := readHeaderPage(f, 0)
	offset := int64(os.Getpagesize())
	if err0 == nil {
		pages, offset = append(pages, first), int64(first.pageSize)
	} else {
		damage = append(damage, "page 0: "+err0.Error())
	}
	second, err1 := readHeaderPage(f, offset)
	if err1 == nil {
		pages = append(pages, second)
	} else {
		damage = append(damage, "page 1: "+err1.Error())
	}
	if len(pages) == 0 {
		if errors.Is(err0, errNotBolt) && errors.Is(err1, errNotBolt) {
			return header{}, notOurs(path, "it is not a bbolt file")
		}
		return header{}, damagedFile(path, strings.Join(damage, ", "))
	}
	newest := pages[0]
	if len(pages) == 2 && pages[1].txid > newest.txid {
		newest = pages[1]
	}
	if need := int64(newest.high) * int64(newest.pageSize); newest.high > 1<<40 || size < need {
		return header{}, damagedFile(path, fmt.Sprintf("it has %d bytes and should have %d: it is cut off", size, need))
	}
	return header{headerPage: newest, damaged: strings.Join(damage, ", ")}, nil
}

var errNotBolt = errors.New("no bbolt header")

func readHeaderPage(f io.ReaderAt, at int64) (headerPage, error) {
	buf := make([]byte, pageHeader+metaSize)
	if _, err := f.ReadAt(buf, at); err != nil {
		return headerPage{}, errNotBolt
	}
	m := buf[pageHeader:]
	if binary.NativeEndian.Uint32(m) != bboltMagic {
		return headerPage{}, errNotBolt
	}
	sum := fnv.New64a()
	_, _ = sum.Write(m[:56])
	if binary.NativeEndian.Uint64(m[56:]) != sum.Sum64() {
		return headerPage{}, errors.New("the checksum of the header does not match")
	}
	p := headerPage{
		pageSize: binary.NativeEndian.Uint32(m[8:]),
		root:     binary.NativeEndian.Uint64(m[16:]),
		high:     binary.NativeEndian.Uint64(m[40:]),
		txid:     binary.NativeEndian.Uint64(m[48:]),
	}
	if p.pageSize < 512 || p.pageSize > maxPageSize {
		return headerPage{}, fmt.Errorf("page size %d", p.pageSize)
	}
	return p, nil
}

// notOurs is the refusal of a file that is no store of this product.
func notOurs(path, why string) error {
	return fault.New(fault.Invalid, path+" is not a PayPerPlay store: "+why,
		"name a file that `controller store backup` or `controller serve` has made")
}

// lockHolder finds the process that has flock on path, "" if that cannot be told.
func lockHolder(path string) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line) // 1: FLOCK ADVISORY WRITE 123 08:01:4711 0 EOF
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		if _, inode, ok := lastCut(f[5], ":"); ok && inode == strconv.FormatUint(st.Ino, 10) {
			return f[4]
		}
	}
	return ""
}

func lastCut(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
