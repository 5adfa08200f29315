package bolt

import (
	"os"
	"testing"
)

// Tests that kill or crash a process start this binary again with envChild set to a role.
const envChild = "PPP_BOLT_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(envChild) {
	case "writer":
		writerChild()
	case "compact", "compact-file":
		compactChild()
	case "flips":
		flipChild()
	case "torn":
		tornChild()
	default:
		os.Exit(m.Run())
	}
}

// soak tells whether the long form of a test is asked for.
func soak() bool { return os.Getenv("PPP_SOAK") != "" }
