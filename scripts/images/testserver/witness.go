package main

import (
	"context"
	"encoding/json"
	"net"
	"time"
)

// testimony says that this process had the world at that time. Two of different nodes that overlap prove a world that
// ran twice. T is the wall clock in Unix nanoseconds.
type testimony struct {
	World string `json:"world"`
	Epoch string `json:"epoch"`
	Node  string `json:"node"`
	Boot  string `json:"boot"`
	Seq   int    `json:"seq"`
	T     int64  `json:"t"`
}

// keepWitness testifies at once and then regularly, to the world's own file and to an observer outside.
func (w *world) keepWitness(ctx context.Context) {
	if w.knobs.witnessEvery <= 0 {
		return
	}
	var out net.Conn
	if w.knobs.witnessAddr != "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "udp", w.knobs.witnessAddr)
		if err != nil {
			w.log.line("Witness", "WARN", "no way to the witness: "+err.Error())
		} else {
			out = conn
			defer func() { _ = conn.Close() }()
		}
	}
	for {
		line, ok := w.testify()
		if !ok {
			return
		}
		if out != nil {
			_, _ = out.Write(line) // the witness may be away; the file has it too
		}
		if !wait(ctx, w.knobs.witnessEvery) {
			return
		}
	}
}

func (w *world) testify() ([]byte, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, false
	}
	w.seq++
	k := w.knobs
	line, err := json.Marshal(testimony{World: k.server, Epoch: k.epoch, Node: k.node, Boot: k.boot, Seq: w.seq, T: time.Now().UnixNano()})
	if err != nil {
		return nil, false
	}
	line = append(line, '\n')
	if w.off {
		w.pending = append(w.pending, line...)
		return line, true
	}
	if _, err := w.witness.Write(line); err != nil {
		w.log.line("Witness", "WARN", err.Error())
	}
	return line, true
}
