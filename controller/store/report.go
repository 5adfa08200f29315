package store

import (
	"errors"
	"fmt"
)

// MaxFindings is how many findings a Report keeps: a store with more damage is not described any better by more lines.
const MaxFindings = 200

// Finding is one thing that is wrong in a store.
type Finding struct {
	Table string `json:"table,omitempty"`
	Key   string `json:"key,omitempty"`
	What  string `json:"what"`
}

func (f Finding) String() string {
	switch {
	case f.Table == "":
		return f.What
	case f.Key == "":
		return f.Table + ": " + f.What
	}
	return fmt.Sprintf("%s, row %q: %s", f.Table, f.Key, f.What)
}

// TableReport is what a check has read of one table.
type TableReport struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"` // that are whole
}

// Report is the result of a check, the same for both engines.
type Report struct {
	Path     string        `json:"path"` // the file, or the address without its password
	Cluster  string        `json:"cluster,omitempty"`
	Term     int64         `json:"term,omitempty"`
	Tables   []TableReport `json:"tables"`
	Findings []Finding     `json:"findings"`
	Cut      bool          `json:"cut,omitempty"` // there was more to find
}

// NewReport is an empty one.
func NewReport(path string) *Report {
	return &Report{Path: path, Tables: []TableReport{}, Findings: []Finding{}}
}

// Clean tells whether nothing is wrong.
func (r *Report) Clean() bool { return len(r.Findings) == 0 }

// Add notes a finding, up to MaxFindings.
func (r *Report) Add(f Finding) {
	if len(r.Findings) >= MaxFindings {
		r.Cut = true
		return
	}
	r.Findings = append(r.Findings, f)
}

// Fail notes an error of reading as a finding.
func (r *Report) Fail(table string, err error) {
	var d *DamagedError
	if errors.As(err, &d) {
		r.Add(Finding{Table: d.Table, Key: d.Key, What: d.Why})
		return
	}
	r.Add(Finding{Table: table, What: err.Error()})
}
