package fakehetzner

import (
	"regexp"
	"slices"
	"strings"
)

var (
	selectorSet   = regexp.MustCompile(`^(\S+)\s+(in|notin)\s+\(([^()]*)\)$`)
	selectorParts = regexp.MustCompile(`[^,(]*(\([^)]*\))?[^,(]*`)
)

// selects tells whether labels fit a selector of the API: k=v, k==v, k!=v, k, !k, "k in (a,b)", "k notin (a,b)", with commas between.
func selects(selector string, labels map[string]string) (bool, error) {
	if strings.TrimSpace(selector) == "" {
		return true, nil
	}
	rest := selector
	for rest != "" {
		part := selectorParts.FindString(rest)
		rest = rest[len(part):]
		if rest != "" && rest[0] != ',' {
			return false, invalid("label_selector", "%q cannot be read", selector)
		}
		rest = strings.TrimPrefix(rest, ",")
		ok, err := selectsPart(strings.TrimSpace(part), labels)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func selectsPart(part string, labels map[string]string) (bool, error) {
	if m := selectorSet.FindStringSubmatch(part); m != nil {
		var values []string
		for v := range strings.SplitSeq(m[3], ",") {
			values = append(values, strings.TrimSpace(v))
		}
		v, there := labels[m[1]]
		in := there && slices.Contains(values, v)
		return in == (m[2] == "in"), nil
	}
	key, value, equal := strings.Cut(part, "=")
	switch {
	case equal && strings.HasSuffix(key, "!"):
		key = strings.TrimSpace(strings.TrimSuffix(key, "!"))
		v, there := labels[key]
		return !there || v != strings.TrimSpace(value), keyError(key)
	case equal:
		key = strings.TrimSpace(key)
		v, there := labels[key]
		return there && v == strings.TrimSpace(strings.TrimPrefix(value, "=")), keyError(key)
	case strings.HasPrefix(part, "!"):
		_, there := labels[part[1:]]
		return !there, keyError(part[1:])
	default:
		_, there := labels[part]
		return there, keyError(part)
	}
}

func keyError(key string) error {
	if !labelKey.MatchString(key) {
		return invalid("label_selector", "%q is not a key", key)
	}
	return nil
}
