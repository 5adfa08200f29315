package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestLed sees a controller whoever its user is and whoever asks, and none that leads another schema of the database.
func TestLed(t *testing.T) {
	server := postgrestest.Shared(t)
	server.SQL(t, "postgres", "CREATE ROLE led_guest LOGIN PASSWORD '"+postgrestest.Password+"'")
	plain := server.Database(t)
	guest := func(url string) string { return strings.Replace(url, "//payperplay:", "//led_guest:", 1) }
	const odd = "&schema=s%C3%A4%20long%20name%20that%20the%20server%20would%20cut%20together%20with%20more"
	for i, schema := range []string{"", odd} {
		t.Run(fmt.Sprintf("schema %d", i), func(t *testing.T) {
			url := plain + schema
			if err := Led(t.Context(), url); err != nil {
				t.Errorf("before: %v", err)
			}
			db := openAt(t, url, Options{Tables: storetest.Tables()})
			for _, who := range []string{url, guest(url), url + "&application_name=mine"} {
				if err := Led(t.Context(), who); fault.KindOf(err) != fault.Conflict || strings.Contains(err.Error(), "connected from") == strings.Contains(who, "led_guest") {
					t.Errorf("while it leads: %v", err)
				}
			}
			if err := Led(t.Context(), plain+"&schema=another"); err != nil {
				t.Errorf("of another schema: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			if err := Led(t.Context(), guest(url)); err != nil {
				t.Errorf("after: %v", err)
			}
		})
	}
}

// TestBusyWhileAway: connections that are busy because Postgres does not answer are no reason to raise their number.
func TestBusyWhileAway(t *testing.T) {
	var db DB
	if err := db.explain(errBusy{8}); !strings.Contains(err.Error(), "busy") {
		t.Error(err)
	}
	db.away.Store(time.Now().UnixNano())
	if err := db.explain(errBusy{8}); !strings.Contains(err.Error(), "cannot be reached") {
		t.Error(err)
	}
}
