package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// world is the data directory: records.log with numbered lines, each on the disk before it is told on the console, and
// witness.log with who ran this world when. While saving is off nothing in the directory changes; what is due then is
// written when saving is on again, at a flush, or at the end.
type world struct {
	knobs knobs
	log   *logger

	mu      sync.Mutex
	records *os.File
	witness *os.File
	last    int // number of the newest record on the disk
	seq     int // of the witness, in this run
	off     bool
	due     int // records asked for while saving was off
	pending []byte
	closed  bool
}

func openWorld(dir string, k knobs, log *logger) (*world, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	level := filepath.Join(dir, "level.dat")
	if _, err := os.Stat(level); errors.Is(err, fs.ErrNotExist) {
		log.info("Preparing level \"world\" (new)")
		if err := os.WriteFile(level, []byte("payperplay testserver world\n"), 0o644); err != nil {
			return nil, err
		}
	}
	records, err := os.OpenFile(filepath.Join(dir, "records.log"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	last, err := replay(records)
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	witness, err := os.OpenFile(filepath.Join(dir, "witness.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	log.info(fmt.Sprintf("World has %d records", last))
	return &world{knobs: k, log: log, records: records, witness: witness, last: last}, nil
}

// replay checks that the records are 1, 2, 3 … and cuts a torn last line; the number of the last one is returned.
func replay(f *os.File) (int, error) {
	r := bufio.NewReader(f)
	last, good := 0, int64(0)
	for {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		number, _, _ := strings.Cut(line, " ")
		if number != fmt.Sprint(last+1) {
			return 0, fmt.Errorf("records.log is damaged: %q follows record %d", strings.TrimSpace(line), last)
		}
		last++
		good += int64(len(line))
	}
	if err := f.Truncate(good); err != nil {
		return 0, err
	}
	_, err := f.Seek(good, io.SeekStart)
	return last, err
}

// command answers the save commands with vanilla's lines.
func (w *world) command(name string, args []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch name {
	case "save-off":
		if w.off {
			return []string{"Saving is already turned off"}
		}
		w.off = true
		return []string{"Automatic saving is now disabled"}
	case "save-on":
		if !w.off {
			return []string{"Saving is already turned on"}
		}
		w.off = false
		return append([]string{"Automatic saving is now enabled"}, w.settle()...)
	case "record":
		w.due++
		if w.off {
			return []string{"Saving is off; the record waits"}
		}
		return w.settle()
	}
	lines := append([]string{"Saving the game (this may take a moment!)"}, w.settle()...)
	if len(args) > 0 && args[0] == "flush" {
		if err := w.witness.Sync(); err != nil {
			return append(lines, "Unable to save the game (is there enough disk space?): "+err.Error())
		}
	}
	return append(lines, "Saved the game")
}

// settle writes what is due and gives the lines that report it. The caller holds the lock.
func (w *world) settle() []string {
	if len(w.pending) > 0 {
		if _, err := w.witness.Write(w.pending); err != nil {
			return []string{"Unable to write the witness: " + err.Error()}
		}
		w.pending = w.pending[:0]
	}
	if w.due == 0 {
		return nil
	}
	var batch []byte
	var lines []string
	for i := range w.due {
		number := w.last + 1 + i
		batch = fmt.Appendf(batch, "%d %d epoch=%s node=%s\n", number, time.Now().UnixNano(), w.knobs.epoch, w.knobs.node)
		lines = append(lines, fmt.Sprintf("record %d", number))
	}
	_, err := w.records.Write(batch)
	if err == nil {
		err = w.records.Sync()
	}
	if err != nil {
		w.closed = true // what is on the disk is unknown: no record may follow
		return []string{"Unable to write a record: " + err.Error()}
	}
	w.last, w.due = w.last+w.due, 0
	return lines
}

func (w *world) keepRecords(ctx context.Context) {
	if w.knobs.recordEvery <= 0 {
		return
	}
	for wait(ctx, w.knobs.recordEvery) {
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return
		}
		w.due++
		var lines []string
		if !w.off {
			lines = w.settle()
		}
		for _, line := range lines { // under the lock, so that the numbers on the console rise
			w.log.info(line)
		}
		w.mu.Unlock()
	}
}

func (w *world) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	for _, line := range w.settle() {
		w.log.info(line)
	}
	w.closed = true
	w.log.info("ThreadedAnvilChunkStorage (world): All chunks are saved")
	return errors.Join(w.witness.Sync(), w.witness.Close(), w.records.Close())
}
