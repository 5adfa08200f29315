package client

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// TestSlowBeginnings: a backup and a compaction may take as long as they need before the answer begins; others may not.
func TestSlowBeginnings(t *testing.T) {
	late := make(chan struct{})
	c := fixture(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-late:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "{}")
	}))
	made, err := New(Options{Endpoint: c.Endpoint()})
	if err != nil {
		t.Fatal(err)
	}
	if tr, ok := made.slow.Transport.(*http.Transport); !ok || tr.ResponseHeaderTimeout != 0 {
		t.Error("a backup has to begin within a time")
	}
	if tr, ok := made.http.Transport.(*http.Transport); !ok || tr.ResponseHeaderTimeout != headerTime {
		t.Error("nothing has to begin within a time")
	}
	quick := transport(time.Millisecond)
	quick.DisableKeepAlives = true
	c.slow, c.http = c.http, &http.Client{Transport: quick}
	if _, err := c.Template(t.Context(), "x"); protocol.CodeOf(err) != protocol.Unavailable || Nobody(err) {
		t.Errorf("it waited: %v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { close(late) })
	n, err := c.StoreBackup(t.Context(), io.Discard)
	if err != nil || n != 2 {
		t.Errorf("backup: %d bytes, %v", n, err)
	}
	if _, err := c.StoreCompact(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNobody: only what could not be dialled counts as no controller.
func TestNobody(t *testing.T) {
	c, err := New(Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Template(t.Context(), "x"); !Nobody(err) || protocol.CodeOf(err) != protocol.Unavailable {
		t.Errorf("nothing listens: %v", err)
	}
	c = fixture(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	if _, err := c.Template(t.Context(), "x"); err == nil || Nobody(err) {
		t.Errorf("it hangs up: %v", err)
	}
}
