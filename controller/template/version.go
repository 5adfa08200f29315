package template

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// parseVersion reads a release number such as 1.21.4 or 26.1. Snapshots have no order and are not offered.
func parseVersion(text string) ([3]int, error) {
	var v [3]int
	parts := strings.Split(text, ".")
	bad := len(parts) < 2 || len(parts) > 3
	for i := 0; i < len(parts) && !bad; i++ {
		n, err := strconv.Atoi(parts[i])
		bad = err != nil || n < 0 || strconv.Itoa(n) != parts[i]
		v[i] = n
	}
	if bad {
		return v, fmt.Errorf("%q is not a version such as 1.21.4", text)
	}
	return v, nil
}

// compareVersions orders two checked versions; 1.21 equals 1.21.0.
func compareVersions(a, b string) int {
	x, _ := parseVersion(a)
	y, _ := parseVersion(b)
	for i := range x {
		if c := cmp.Compare(x[i], y[i]); c != 0 {
			return c
		}
	}
	return 0
}

// javaTag is the tag of the image for a version of the game; empty if the template has one image for all.
func (t *Template) javaTag(version string) string {
	for _, rule := range t.Java {
		if rule.Below == "" || compareVersions(version, rule.Below) < 0 {
			return rule.Tag
		}
	}
	return ""
}
