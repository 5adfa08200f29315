package open

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
)

func TestParse(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		in, shown string
		engine    Engine
		secret    bool
	}{
		{"/var/lib/p/controller.db", "/var/lib/p/controller.db", Bolt, false},
		{"bolt:///var/lib/p/controller.db", "/var/lib/p/controller.db", Bolt, false},
		{"x.db", filepath.Join(here, "x.db"), Bolt, false},
		{"a=b/x.db", filepath.Join(here, "a=b/x.db"), Bolt, false},
		{"./a=b.db", filepath.Join(here, "a=b.db"), Bolt, false},
		{"postgres://ppp@db:5432/ppp?sslmode=verify-full", "postgres://ppp@db:5432/ppp?sslmode=verify-full", Postgres, false},
		{"postgresql://ppp:secret@db/ppp", "postgres://ppp@db/ppp", Postgres, true},
		{"postgres://db/ppp?password=secret&user=u", "postgres://db/ppp?user=u", Postgres, true},
		{"postgres://db/ppp?sslpassword=secret", "postgres://db/ppp", Postgres, true},
		{"postgres:///ppp?host=/run/postgresql", "postgres:///ppp?host=%2Frun%2Fpostgresql", Postgres, false},
	}
	for _, test := range tests {
		a, err := Parse(test.in)
		if err != nil || a.Engine != test.engine || a.String() != test.shown || a.Secret() != test.secret {
			t.Errorf("Parse(%s) = %s %s, secret %v, %v", test.in, a.Engine, a, a.Secret(), err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{"", "mysql://db/x", "bolt://x.db", "bolt://", "postgres:db", "host=db password=secret", "password=secret", "password=secret host=/run/postgresql", "host=db password=secret dbname=postgres://x", "sslmode=require password = secret sslrootcert=/ca", "postgres://u:se%cret@db/x", "postgres://u:secret@db:no/x", t.TempDir()} {
		_, err := Parse(in)
		if fault.KindOf(err) != fault.Invalid || fault.Next(err) == "" {
			t.Errorf("Parse(%q): %v, next %q", in, err, fault.Next(err))
		}
		if err != nil && strings.Contains(err.Error()+fault.Next(err), "secret") {
			t.Errorf("Parse(%q) tells the password: %v", in, err)
		}
	}
}
