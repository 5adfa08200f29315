package rpc

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// yamuxLog hands yamux's lines to slog: at most one a second for each session, because a peer can cause as many as it likes.
type yamuxLog struct {
	session *Session
	next    atomic.Int64 // watch clock, ns
	dropped atomic.Int64
}

func (l *yamuxLog) Printf(format string, args ...any) {
	if l.due() {
		l.say(fmt.Sprintf(format, args...))
	}
}

func (l *yamuxLog) Print(args ...any) {
	if l.due() {
		l.say(fmt.Sprint(args...))
	}
}

func (l *yamuxLog) Println(args ...any) { l.Print(args...) }

func (l *yamuxLog) due() bool {
	now := l.session.opts.Watch.now()
	next := l.next.Load()
	if now < next || !l.next.CompareAndSwap(next, now+int64(time.Second)) {
		l.dropped.Add(1)
		return false
	}
	return true
}

// say logs at debug: the reason of a session's end is logged by who holds the session.
func (l *yamuxLog) say(line string) {
	line = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(line, "[ERR]"), "[WARN]"))
	l.session.log.Debug("yamux", "line", line, "dropped", l.dropped.Swap(0))
}
