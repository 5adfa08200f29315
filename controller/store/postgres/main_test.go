package postgres

import (
	"os"
	"testing"

	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
)

// Tests that kill a process start this binary again with envChild set to a role.
const envChild = "PPP_POSTGRES_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(envChild) {
	case "writer":
		writerChild()
	default:
		os.Exit(postgrestest.Main(m))
	}
}

// soak tells whether the long form of a test is asked for.
func soak() bool { return os.Getenv("PPP_SOAK") != "" }
