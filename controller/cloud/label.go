package cloud

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// labelMax is how long the value of a label may be.
const labelMax = 63

// LabelValue makes a text a label's value: of [a-z0-9-], at most 63 characters. What is one already stays as it is. Of what has to be
// changed a digest is added, so that two texts never become the same value.
func LabelValue(text string) string {
	value := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, text), "-")
	if value == text && len(value) <= labelMax {
		return value
	}
	sum := sha256.Sum256([]byte(text))
	digest := hex.EncodeToString(sum[:4])
	value = strings.TrimRight(value[:min(len(value), labelMax-1-len(digest))], "-")
	if value == "" {
		return digest
	}
	return value + "-" + digest
}

// Ours tells whether labels are those of a cluster.
func Ours(labels map[string]string, cluster string) bool {
	return labels[LabelManagedBy] == ManagedBy && labels[LabelCluster] == LabelValue(cluster)
}
