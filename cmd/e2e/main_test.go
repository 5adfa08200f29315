package e2e

import (
	"os"
	"testing"

	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }
