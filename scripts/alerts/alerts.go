// Package alerts holds Prometheus' rules for an installation, and what its tests and those of the dashboards know of metrics: which of ours
// the sources register, with which labels, and which of them an expression names.
package alerts

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Metrics are the labels of each metric, by name.
type Metrics map[string][]string

// Pending are metrics that rules or dashboards name before the sources register them. One that is registered must leave the list.
var Pending = Metrics{}

var (
	registered = regexp.MustCompile(`(?:"payperplay_|\bdesc\(")([a-z0-9_]+)"`)
	labelList  = regexp.MustCompile(`\[\]string\{([^}]*)\}`)
	quoted     = regexp.MustCompile(`"([a-z_]+)"`)
)

// Registered reads the sources of controller and agent under root, tests left out.
func Registered(root string) (Metrics, error) {
	found := Metrics{}
	for _, part := range []string{"controller", "agent"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			found.add(string(text))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// add looks for registrations: a name, and up to the next one the list of its labels.
func (m Metrics) add(text string) {
	at := registered.FindAllStringSubmatchIndex(text, -1)
	for i, a := range at {
		end := min(a[1]+600, len(text))
		if i+1 < len(at) {
			end = min(end, at[i+1][0])
		}
		name, after := "payperplay_"+text[a[2]:a[3]], text[a[1]:end]
		list := ""
		if found := labelList.FindStringSubmatch(after); found != nil {
			list = found[1]
		} else if strings.HasPrefix(text[a[0]:], "desc(") {
			line, _, _ := strings.Cut(after, "\n")
			_, list, _ = strings.Cut(line, `.", `) // behind the help text
		}
		for _, label := range quoted.FindAllStringSubmatch(list, -1) {
			if !slices.Contains(m[name], label[1]) {
				m[name] = append(m[name], label[1])
			}
		}
		m[name] = append([]string{}, m[name]...)
	}
}

// everywhere are labels that Prometheus gives to all series, or that its functions need.
var everywhere = []string{"job", "instance", "le", "role"}

var (
	named    = regexp.MustCompile(`\b(payperplay_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\b(?:by|on|ignoring|without)\s*\(([^)]*)\)`)
)

// Check says what is wrong with the names and labels in a PromQL expression.
func (m Metrics) Check(expr string) []string {
	var wrong, labels []string
	for _, found := range named.FindAllStringSubmatch(expr, -1) {
		name := found[1]
		if _, ok := m[name]; !ok {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} { // of a histogram
				name = strings.TrimSuffix(name, suffix)
			}
		}
		has, ok := m[name]
		if !ok {
			wrong = append(wrong, "no source registers "+found[1])
			continue
		}
		labels = append(labels, has...)
		for _, label := range matcher.FindAllStringSubmatch(found[2], -1) {
			if !slices.Contains(has, label[1]) && !slices.Contains(everywhere, label[1]) {
				wrong = append(wrong, found[1]+" has no label "+label[1])
			}
		}
	}
	for _, found := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(found[1], ",") {
			if label = strings.TrimSpace(label); label != "" && !slices.Contains(labels, label) && !slices.Contains(everywhere, label) {
				wrong = append(wrong, "nothing in it has the label "+label+": "+expr)
			}
		}
	}
	return wrong
}

// Known are the registered metrics and the pending ones; late are those that are both.
func Known(root string) (known Metrics, late []string, err error) {
	known, err = Registered(root)
	for name, labels := range Pending {
		if _, there := known[name]; there {
			late = append(late, name)
			continue
		}
		known[name] = labels
	}
	return known, slices.Sorted(slices.Values(late)), err
}

// Names lists the metrics, for people.
func (m Metrics) Names() []string { return slices.Sorted(maps.Keys(m)) }
