package open

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Tests that kill a process start this binary again with envChild set.
const envChild = "PPP_OPEN_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "migrate" {
		os.Exit(postgrestest.Main(m))
	}
	err := failpoint.Arm(os.Getenv(failpoint.EnvPlan))
	if err == nil {
		_, err = Migrate(context.Background(), os.Args[1], os.Args[2], MoveOptions{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
