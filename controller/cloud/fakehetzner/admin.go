package fakehetzner

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// The fake's own controls, without a token: whoever reaches the port may use them.
//
//	GET    /_fake/faults              rules in force and how often each has happened
//	POST   /_fake/faults              a rule: {"fault":"lose-reply","on":"POST /servers","times":1,"delay":"10s","chance":0.1,…} → {"id":1}
//	DELETE /_fake/faults[/ID]         lift one, or all
//	GET    /_fake/stock               what can still be ordered, -1 = endless
//	PUT    /_fake/stock               {"type":"cx23","location":"fsn1","left":0}; empty type or location = all
//	GET    /_fake/machines            all that exists, what was, and counters (Inventory)
//	DELETE /_fake/machines/ID         it vanishes without a word
//	GET    /_fake/bill                what machines have cost
func (c *Cloud) adminRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /_fake/faults", func(w http.ResponseWriter, _ *http.Request) {
		out := []ruleJSON{}
		for _, r := range c.Injected() {
			out = append(out, toJSON(r))
		}
		write(w, http.StatusOK, out)
	})
	mux.HandleFunc("POST /_fake/faults", func(w http.ResponseWriter, r *http.Request) {
		var in ruleJSON
		if !read(w, r, &in) {
			return
		}
		rule, err := in.rule()
		if err != nil {
			write(w, http.StatusUnprocessableEntity, obj{"error": err.Error()})
			return
		}
		id, err := c.Inject(rule)
		if err != nil {
			write(w, http.StatusUnprocessableEntity, obj{"error": err.Error()})
			return
		}
		write(w, http.StatusCreated, obj{"id": id})
	})
	mux.HandleFunc("DELETE /_fake/faults", func(w http.ResponseWriter, _ *http.Request) {
		c.Lift()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_fake/faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, err := strconv.Atoi(r.PathValue("id")); err == nil {
			c.Lift(id)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_fake/stock", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, c.Stocks()) })
	mux.HandleFunc("PUT /_fake/stock", func(w http.ResponseWriter, r *http.Request) {
		var in Stock
		if !read(w, r, &in) {
			return
		}
		if err := c.SetStock(in.Type, in.Location, in.Left); err != nil {
			write(w, http.StatusNotFound, obj{"error": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_fake/machines", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, c.Inventory()) })
	mux.HandleFunc("DELETE /_fake/machines/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !c.Vanish(r.PathValue("id")) {
			write(w, http.StatusNotFound, obj{"error": "there is no such machine"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_fake/bill", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, c.Bill(c.now())) })
}

// ruleJSON is a rule as the controls write it.
type ruleJSON struct {
	ID       int     `json:"id,omitempty"`
	Hits     int     `json:"hits"`
	Fault    Fault   `json:"fault"`
	On       string  `json:"on,omitempty"`
	Machine  string  `json:"machine,omitempty"`
	Type     string  `json:"type,omitempty"`
	Location string  `json:"location,omitempty"`
	Chance   float64 `json:"chance,omitempty"`
	Skip     int     `json:"skip,omitempty"`
	Times    int     `json:"times,omitempty"`
	Delay    string  `json:"delay,omitempty"`
	Names    bool    `json:"names,omitempty"`
	Status   int     `json:"status,omitempty"`
	Code     string  `json:"code,omitempty"`
}

func (j ruleJSON) rule() (Rule, error) {
	r := Rule{
		Fault: j.Fault, On: j.On, Machine: j.Machine, Type: j.Type, Location: j.Location, Chance: j.Chance, Skip: j.Skip, Times: j.Times,
		Names: j.Names, Status: j.Status, Code: j.Code,
	}
	if j.Delay == "" {
		return r, nil
	}
	d, err := time.ParseDuration(j.Delay)
	r.Delay = d
	return r, err
}

func toJSON(i RuleInfo) ruleJSON {
	r := i.Rule
	j := ruleJSON{
		ID: i.ID, Hits: i.Hits, Fault: r.Fault, On: r.On, Machine: r.Machine, Type: r.Type, Location: r.Location, Chance: r.Chance, Skip: r.Skip,
		Times: r.Times, Names: r.Names, Status: r.Status, Code: r.Code,
	}
	if r.Delay > 0 {
		j.Delay = r.Delay.String()
	}
	return j
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		write(w, http.StatusBadRequest, obj{"error": err.Error()})
		return false
	}
	return true
}

func write(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what)
}
