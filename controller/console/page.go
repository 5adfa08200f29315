package console

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// page reads the next lines from the node. While it cannot be asked, the viewer waits.
func (v *viewer) page(ctx context.Context, wake <-chan struct{}) error {
	ask := v.h.pages.DoChan(strconv.FormatInt(v.cursor, 10), func() (any, error) { return v.h.readPage(v.cursor + 1) })
	var reply protocol.LinesReply
	select {
	case <-ctx.Done():
		return ctx.Err()
	case got := <-ask:
		if got.Err != nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-wake:
			case <-time.After(pageBackoff):
			}
			return nil
		}
		reply, _ = got.Val.(protocol.LinesReply)
	}
	if reply.Head < v.cursor { // a number from another history: show all of this one
		v.cursor = 0
		return nil
	}
	lines := make([]protocol.Line, 0, len(reply.Lines)+1)
	if v.cursor > 0 && reply.First > v.cursor+1 {
		n := reply.First - 1 - v.cursor
		v.cursor = reply.First - 1
		lines = append(lines, protocol.Line{Seq: v.cursor, Time: time.Now().UTC(), Kind: protocol.LineGap, Text: fmt.Sprintf("%d lines skipped: older than the history the node keeps", n)})
	}
	for _, l := range reply.Lines {
		if l.Seq > v.cursor {
			v.cursor = l.Seq
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 { // nothing is left to read there: go on with what comes
		v.h.mu.RLock()
		v.pos = v.h.ring.start
		v.h.mu.RUnlock()
		return nil
	}
	for len(lines) > 0 {
		part := lines[:min(len(lines), batchLines)]
		lines = lines[len(part):]
		if err := v.emit(protocol.LineBatch{Lines: part, Head: max(reply.Head, v.cursor)}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// readPage is shared by all viewers who want the same lines.
func (h *hub) readPage(from int64) (protocol.LinesReply, error) {
	h.mu.RLock()
	node := h.node
	h.mu.RUnlock()
	if h.ctx.Err() != nil {
		return protocol.LinesReply{}, errClosing
	}
	con, err := h.c.o.Agents.Console(node)
	if err != nil {
		return protocol.LinesReply{}, err
	}
	ctx, cancel := context.WithTimeout(h.ctx, callWithin)
	defer cancel()
	reply, err := con.Lines(ctx, protocol.LinesRequest{Server: h.server, From: from, Limit: pageLines})
	if errors.Is(err, context.Canceled) {
		err = errClosing
	}
	return reply, err
}
