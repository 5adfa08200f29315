package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"gopkg.in/yaml.v3"
)

// table is how a command shows its result to people.
type table struct {
	header []string
	rows   [][]string
}

// print writes v as the chosen format; people gets the table made only when it is wanted.
func (c *cli) print(v any, people func() table) error {
	switch c.output {
	case "json":
		return writeJSON(c.out, v)
	case "yaml":
		return writeYAML(c.out, v)
	default:
		return c.writeTable(people())
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printLine writes one element of an endless list on a line of its own: JSON, which with a dash before it is YAML too.
func (c *cli) printLine(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	dash := ""
	if c.output == "yaml" {
		dash = "- "
	}
	_, err = fmt.Fprintf(c.out, "%s%s\n", dash, b)
	return err
}

// writeYAML goes through JSON, so that both formats have the same names and the same order of fields.
func writeYAML(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(b, &node); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	blockStyle(&node)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return enc.Close()
}

func blockStyle(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style = 0
	}
	for _, sub := range n.Content {
		blockStyle(sub)
	}
}

func (c *cli) writeTable(t table) error {
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	if len(t.header) > 0 && !c.noHeader {
		fmt.Fprintln(w, strings.Join(t.header, "\t"))
	}
	for _, r := range t.rows {
		for i := range r {
			r[i] = plain(r[i])
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// plain keeps a terminal safe: what comes from servers, players and plugins must not steer it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '�'
		}
		return r
	}, s)
}

// info tells a person on the terminal what goes on; never part of the output.
func (c *cli) info(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintf(c.err, format+"\n", args...)
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// ago writes how long something is past, roughly, as people say it.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return span(now.Sub(t)) + " ago"
}

func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}
