package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// logger writes vanilla's line form, one write call per batch so that lines never mix.
type logger struct {
	mu  sync.Mutex
	out io.Writer
}

func newLogger(out io.Writer) *logger { return &logger{out: out} }

func (l *logger) line(thread, level, text string) {
	l.raw([]byte(fmt.Sprintf("[%s] [%s/%s]: %s\n", time.Now().UTC().Format("15:04:05"), thread, level, text)))
}

func (l *logger) info(text string) { l.line("Server thread", "INFO", text) }

func (l *logger) raw(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.out.Write(b) // nobody left to tell when stdout is gone
}
