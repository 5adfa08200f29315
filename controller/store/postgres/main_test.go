package postgres

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"go.uber.org/goleak"
)

// Tests that kill a process start this binary again with envChild set to a role.
const envChild = "PPP_POSTGRES_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(envChild) {
	case "writer":
		writerChild()
	default:
		if !soak() { // each of rapid's steps is several round trips here; the embedded engine takes the usual number
			_ = flag.Set("rapid.checks", "40")
		}
		code := postgrestest.Main(m)
		if err := goleak.Find(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}
}

// soak tells whether the long form of a test is asked for.
func soak() bool { return os.Getenv("PPP_SOAK") != "" }
