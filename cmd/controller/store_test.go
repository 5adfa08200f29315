package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store/open"
	"github.com/payperplay/payperplay/protocol"
)

func TestStoreAddress(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "address")
	if err := os.WriteFile(file, []byte("postgres://u:secret@db/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	two := filepath.Join(dir, "two")
	if err := os.WriteFile(two, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		flags   storeFlags
		env     map[string]string
		want    string
		warning bool
		bad     bool
	}{
		{name: "nothing", want: "/data/controller.db"},
		{name: "flag", flags: storeFlags{given: "/a.db"}, env: map[string]string{"PAYPERPLAY_STORE": "/b.db"}, want: "/a.db"},
		{name: "environment", env: map[string]string{"PAYPERPLAY_STORE": "postgres://u:secret@db/x"}, want: "postgres://u:secret@db/x"},
		{name: "file", flags: storeFlags{file: file}, env: map[string]string{"PAYPERPLAY_STORE": "/b.db"}, want: "postgres://u:secret@db/x"},
		{name: "file in the environment", env: map[string]string{"PAYPERPLAY_STORE_FILE": file}, want: "postgres://u:secret@db/x"},
		{name: "secret on the command line", flags: storeFlags{given: "postgres://u:secret@db/x"}, want: "postgres://u:secret@db/x", warning: true},
		{name: "two lines", flags: storeFlags{file: two}, bad: true},
		{name: "no file", flags: storeFlags{file: filepath.Join(dir, "none")}, bad: true},
		{name: "no address", flags: storeFlags{given: "mysql://db"}, bad: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"PAYPERPLAY_STORE", "PAYPERPLAY_STORE_FILE"} {
				t.Setenv(name, test.env[name])
			}
			var said bytes.Buffer
			got, err := test.flags.address(&cli{err: &said}, "/data")
			if test.bad {
				if protocol.CodeOf(err) != protocol.Invalid {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if got != test.want || err != nil || (said.Len() > 0) != test.warning || strings.Contains(said.String(), "secret@") {
				t.Errorf("got %q, %v, and was told %q", got, err, said.String())
			}
		})
	}
}

// TestShowMove: every table once, a long one once a second, with the time that is left.
func TestShowMove(t *testing.T) {
	var said bytes.Buffer
	now := time.Unix(0, 0)
	show := (&cli{err: &said}).showMove(func() time.Time { return now })
	for i := range int64(10_000) {
		table := "events"
		if i >= 9_000 {
			table = "servers"
		}
		show(open.Progress{Phase: open.Copying, Table: table, Rows: i + 1, Total: 10_000})
		now = now.Add(time.Millisecond)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) < 8 || len(lines) > 12 || lines[0] != "copying events: 1 of 10000 rows (0 %)" || !strings.Contains(said.String(), "copying servers: 9001 of 10000 rows (90 %), 1s left") {
		t.Errorf("%d lines:\n%s", len(lines), said.String())
	}
}
