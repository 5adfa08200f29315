//go:build plants

package plant

import (
	"fmt"
	"os"
	"sync/atomic"
)

// Built tells whether this binary can hold a bug at all.
const Built = true

var (
	chosen  = choose(os.Getenv(EnvName))
	reached atomic.Int64
)

// choose refuses a name that is none: a run that plants nothing would look like a bug that nobody finds.
func choose(name string) Name {
	if name == "" {
		return ""
	}
	for _, p := range Names() {
		if string(p.Name) == name {
			return p.Name
		}
	}
	panic(fmt.Sprintf("%s=%s: there is no such plant", EnvName, name))
}

// On tells whether this bug lives in this process.
func On(name Name) bool {
	if name != chosen {
		return false
	}
	reached.Add(1)
	return true
}

// Chosen is the bug that lives in this process, "" for none.
func Chosen() Name { return chosen }

// Reached tells how often the living bug was asked for: 0 means that its line was never come by.
func Reached() int64 { return reached.Load() }
