package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Append logs e in the caller's transaction: it gets the next Seq, and followers are woken when the transaction has
// committed. An e with a type of no family, or with too much data, is of kind invalid.
func (l *Log) Append(tx store.Tx, e Event) (Event, error) {
	if !typeForm.MatchString(e.Type) {
		return e, fault.New(fault.Invalid, fmt.Sprintf("the event type %q is not known", e.Type),
			"use family.what with one of the families "+strings.Join(Families(), ", "))
	}
	var err error
	if e.Data, err = cleanData(e.Data); err != nil {
		return e, err
	}
	base, era, err := l.offset(tx)
	if err != nil {
		return e, err
	}
	if e.Seq, err = tx.Next("events"); err != nil {
		return e, err
	}
	e.Seq += base
	if plant.On(plant.SequenceGap) {
		if e.Seq, err = tx.Next("events"); err != nil {
			return e, err
		}
	}
	var r row
	if r.Logged, err = l.clock(tx); err != nil {
		return e, err
	}
	if e.At = e.At.UTC().Truncate(time.Microsecond); e.At.IsZero() || e.At.After(r.Logged) {
		e.At = r.Logged
	}
	r.Event = e
	if err := events.Put(tx, r); err != nil {
		return e, err
	}
	if plant.On(plant.EventBeforeCommit) {
		l.bell.strike()
		return e, nil
	}
	tx.AfterCommit(func() {
		l.learnt(base, era)
		l.m.append(e.Type)
		l.bell.strike()
	})
	return e, nil
}

// clock is now, or the last row's time when the clock has been set back. Writers are serial, so nobody is in between.
func (l *Log) clock(tx store.Tx) (time.Time, error) {
	latest := l.logged.Load()
	if latest == 0 {
		last, found, err := lastRow(tx)
		if err != nil {
			return time.Time{}, err
		}
		if found {
			latest = last.Logged.UnixMicro()
			l.began.Store(last.Seq)
		}
	}
	if now := l.now().UnixMicro(); now > latest || plant.On(plant.LogClockFalls) {
		latest = now
	}
	l.logged.Store(latest)
	return time.UnixMicro(latest).UTC(), nil
}

func lastRow(tx store.Tx) (last row, found bool, err error) {
	for last, err := range events.Range(tx, "", nil, nil, 1, true) {
		return last, err == nil, err
	}
	return row{}, false, nil
}

// cleanData makes data fit for the store, which takes no NUL and no broken UTF-8: text from a game may hold both.
func cleanData(data json.RawMessage) (json.RawMessage, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if len(data) > MaxData {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("the data of an event has %d bytes: at most %d", len(data), MaxData), "log less")
	}
	if !json.Valid(data) {
		return nil, fault.New(fault.Invalid, "the data of an event is not JSON", "")
	}
	if store.CheckDoc(data) == nil {
		return data, nil
	}
	dec := json.NewDecoder(bytes.NewReader(bytes.ToValidUTF8(data, []byte("\uFFFD"))))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the data of an event is not JSON", "")
	}
	return json.Marshal(cleanTexts(v))
}

func cleanTexts(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD")
	case []any:
		for i := range v {
			v[i] = cleanTexts(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			key, _ := cleanTexts(k).(string)
			out[key] = cleanTexts(x)
		}
		return out
	}
	return v
}
