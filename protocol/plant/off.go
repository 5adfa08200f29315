//go:build !plants

package plant

// Built tells whether this binary can hold a bug at all.
const Built = false

// On is false: what stands behind it is not compiled.
func On(Name) bool { return false }

// Chosen is the bug that lives in this process: none.
func Chosen() Name { return "" }

// Reached tells how often the living bug was asked for.
func Reached() int64 { return 0 }
