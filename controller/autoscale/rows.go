package autoscale

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// chosen are the settings as somebody changed them over the API; where there is no row the environment's count.
type chosen struct {
	ID       string    `json:"id"` // "scaling"
	Settings Settings  `json:"settings"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// Entry is a decision that was written down.
type Entry struct {
	ID       string    `json:"id"` // "dec_…"
	At       time.Time `json:"at"`
	Decision Decision  `json:"decision"`
	Results  []string  `json:"results"` // of the actions, in their order; "" for what was kept
}

var settingRows = store.Table[chosen]{Name: "scaling_settings", Key: func(c chosen) string { return c.ID }}

var entries = store.Table[Entry]{
	Name:    "scaling_history",
	Key:     func(e Entry) string { return e.ID },
	Indexes: []store.Index[Entry]{store.Time("at", func(e Entry) time.Time { return e.At })},
}

// Tables are the tables of this room.
func Tables() []store.TableDef { return []store.TableDef{settingRows.Def(), entries.Def()} }

const (
	theRow = "scaling"
	// keepFor is how long decisions can be read.
	keepFor = 90 * 24 * time.Hour
	// nag is how often a need that cannot be met is written down again.
	nag = 10 * time.Minute
	// told bounds the machines that a written decision says it kept.
	told = 20
)

// ReadSettings reads those that count: what was changed over the API, else the environment's.
func ReadSettings(tx store.Tx, environment Settings) (Settings, error) {
	row, err := settingRows.Get(tx, theRow)
	if fault.KindOf(err) == fault.NotFound {
		return environment, nil
	}
	return row.Settings, err
}

// Set changes settings; patch is a JSON object of those that change. Kinds: invalid.
func (s *Scaler) Set(ctx context.Context, actor string, patch []byte) (Settings, error) {
	return s.change(ctx, actor, "scaling.settings_changed", func(old Settings) (Settings, error) { return old.Merge(patch) })
}

// Enable turns scaling on or off. Machines that run stay.
func (s *Scaler) Enable(ctx context.Context, actor string, on bool) (Settings, error) {
	kind := map[bool]string{true: "scaling.enabled", false: "scaling.disabled"}[on]
	return s.change(ctx, actor, kind, func(old Settings) (Settings, error) {
		old.Enabled = on
		return old, nil
	})
}

func (s *Scaler) change(ctx context.Context, actor, kind string, fn func(Settings) (Settings, error)) (Settings, error) {
	var out Settings
	now := time.Now().UTC()
	err := s.opts.DB.Update(ctx, func(tx store.Tx) error {
		old, err := ReadSettings(tx, s.opts.Settings)
		if err != nil {
			return err
		}
		if out, err = fn(old); err != nil {
			return err
		}
		changed, err := differ(old, out)
		if err != nil || len(changed) == 0 {
			return err
		}
		if err := settingRows.Put(tx, chosen{theRow, out, actor, now}); err != nil {
			return err
		}
		_, err = s.opts.Events.Append(tx, event.Event{Type: kind, Actor: actor, Data: event.JSON(changed)})
		return err
	})
	if err == nil {
		s.Kick()
	}
	return out, err
}

// differ gives the settings that are not as they were, by name, as they are now.
func differ(old, now Settings) (map[string]any, error) {
	a, err := fields(old)
	if err != nil {
		return nil, err
	}
	b, err := fields(now)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for name, v := range b {
		if string(a[name]) != string(v) {
			out[name] = v
		}
	}
	return out, nil
}

func fields(s Settings) (out map[string]json.RawMessage, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return out, json.Unmarshal(text, &out)
}

// keep writes a decision down if it did something, or if a need cannot be met and that was not said lately.
func (s *Scaler) keep(ctx context.Context, set Settings, d Decision, results []string, now time.Time) error {
	acts := len(d.Acts()) > 0
	text := gist(d)
	s.mu.Lock()
	again := text == s.said && now.Sub(s.at) < nag
	s.mu.Unlock()
	if !acts && (again || !set.Enabled || !d.Unmet) {
		return nil
	}
	e := Entry{ID: fleet.NewID("dec_"), At: now, Decision: d}
	e.Decision.Actions = nil
	kept := 0
	for i, a := range d.Actions {
		if a.Do == Keep {
			if kept++; kept > told {
				continue
			}
		}
		e.Decision.Actions, e.Results = append(e.Decision.Actions, a), append(e.Results, results[i])
	}
	err := s.opts.DB.Update(ctx, func(tx store.Tx) error {
		if _, err := Trim(tx, now, 100); err != nil {
			return err
		}
		if err := entries.Put(tx, e); err != nil {
			return err
		}
		_, err := s.opts.Events.Append(tx, event.Event{Type: "scaling.decided", Actor: self, Data: event.JSON(map[string]any{"decision": e.ID, "did": did(e), "waiting": d.Inputs.Waiting})})
		return err
	})
	if err == nil {
		s.mu.Lock()
		s.said, s.at = text, now
		s.mu.Unlock()
	}
	return err
}

// gist is what a decision says, without the figures that change all the time.
func gist(d Decision) string {
	var b strings.Builder
	for _, a := range d.Acts() {
		b.WriteString(string(a.Do) + a.Name + "\n")
	}
	for _, c := range d.Considered {
		b.WriteString(c.What + c.Why + "\n")
	}
	return b.String()
}

// did is one line an action, for the log of events.
func did(e Entry) []string {
	out := []string{}
	for i, a := range e.Decision.Actions {
		if a.Do != Keep {
			out = append(out, string(a.Do)+" "+a.Name+": "+a.Why+" ("+e.Results[i]+")")
		}
	}
	return out
}

// lastSteps tells when scaling last ordered and last let go, from what it has written down.
func lastSteps(tx store.Tx) (up, down time.Time, err error) {
	for e, err := range entries.Range(tx, "at", nil, nil, 200, true) {
		if err != nil {
			return up, down, err
		}
		for i, a := range e.Decision.Actions {
			if strings.HasPrefix(e.Results[i], "not done") {
				continue
			}
			switch a.Do {
			case Order:
				up = latest(up, e.At)
			case Drain:
				down = latest(down, e.At)
			case Release, Keep:
			}
		}
		if !up.IsZero() && !down.IsZero() {
			break
		}
	}
	return up, down, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Trim deletes at most most decisions that are older than 90 days, and says how many.
func Trim(tx store.Tx, now time.Time, most int) (int, error) {
	var dead []string
	for e, err := range entries.Range(tx, "at", nil, now.Add(-keepFor), most, false) {
		if err != nil {
			return 0, err
		}
		dead = append(dead, e.ID)
	}
	for _, id := range dead {
		if err := entries.Delete(tx, id); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}

// History gives the newest decisions before a moment (zero: now), newest first.
func (s *Scaler) History(ctx context.Context, before time.Time, limit int) ([]Entry, error) {
	var to any
	if !before.IsZero() {
		to = before
	}
	var out []Entry
	err := s.opts.DB.View(ctx, func(tx store.Tx) error {
		out = nil
		for e, err := range entries.Range(tx, "at", nil, to, limit, true) {
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	return out, err
}
