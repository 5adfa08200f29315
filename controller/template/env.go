package template

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/payperplay/payperplay/protocol"
)

const maxText = 256 // characters of a value, unless the option says otherwise

var playerForm = regexp.MustCompile(`^\.?[A-Za-z0-9_]{1,16}$`)

func isControl(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }

// checkWishes refuses settings that the template does not offer, in this version, with these values.
func (t *Template) checkWishes(version string, wishes map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(wishes)) {
		i := slices.IndexFunc(t.Env, func(o Option) bool { return o.Name == name })
		if i < 0 {
			return t.unknownSetting(name)
		}
		o := t.Env[i]
		if o.Since != "" && compareVersions(version, o.Since) < 0 {
			return protocol.Faultf(protocol.Invalid, "leave it out or choose version "+o.Since+" or newer", "%s is known since %s, and this is %s", name, o.Since, version)
		}
		if why := o.refuses(wishes[name]); why != "" {
			return protocol.Faultf(protocol.Invalid, name+": "+o.Help, "%s=%s %s", name, shorten(wishes[name]), why)
		}
	}
	return nil
}

func (t *Template) unknownSetting(name string) error {
	names := make([]string, 0, len(t.Env))
	for _, o := range t.Env {
		names = append(names, o.Name)
	}
	_, fixed := t.Fixed[name]
	if fixed || name == t.HeapEnv || name == "VERSION" {
		return protocol.Faultf(protocol.Invalid, "leave it out; memory is given with --memory and the version with --version", "%s is set by the template %s itself", name, t.Name)
	}
	next := "see controller template list -o yaml for the settings of " + t.Name
	if near := nearest(strings.ToUpper(name), names); len(near) > 0 {
		next = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return protocol.Faultf(protocol.Invalid, next, "the template %s has no setting %s", t.Name, shorten(name))
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) > 60 {
		s = string([]rune(s)[:60]) + "…"
	}
	return strconv.Quote(s)
}

// refuses says what is wrong with a value, empty if nothing is.
func (o Option) refuses(value string) string {
	if strings.ContainsFunc(value, isControl) {
		return "holds control characters or is not UTF-8"
	}
	limit := int64(maxText)
	if o.Max != nil && (o.Kind == Text || o.Kind == Names) {
		limit = *o.Max
	}
	if int64(utf8.RuneCountInString(value)) > limit {
		return fmt.Sprintf("is longer than %d characters", limit)
	}
	switch o.Kind {
	case Int:
		return o.refusesInt(value)
	case Bool:
		if value != "true" && value != "false" {
			return "is neither true nor false"
		}
	case Enum:
		if !slices.Contains(o.Enum, value) {
			return "is none of " + strings.Join(o.Enum, ", ")
		}
	case Duration:
		if d, err := time.ParseDuration(value); err != nil || d < 0 {
			return "is not a duration such as 1m30s"
		}
	case Names:
		for name := range strings.SplitSeq(value, ",") {
			if !playerForm.MatchString(strings.TrimSpace(name)) {
				return "is not a list of players' names, separated by commas"
			}
		}
	case Text:
		if o.Pattern != "" && !regexp.MustCompile(`^(?:`+o.Pattern+`)$`).MatchString(value) {
			return "is not of the form " + o.Pattern
		}
	}
	return ""
}

func (o Option) refusesInt(value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err != nil:
		return "is not a whole number"
	case o.Min != nil && n < *o.Min:
		return fmt.Sprintf("is below %d", *o.Min)
	case o.Max != nil && n > *o.Max:
		return fmt.Sprintf("is over %d", *o.Max)
	}
	return ""
}
