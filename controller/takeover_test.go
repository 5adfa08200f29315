package controller

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/protocol"
)

// TestF24TakingOver starts a second controller on one database: one that cannot work leaves the first in peace, one that
// can takes over, and the first ends.
func TestF24TakingOver(t *testing.T) {
	url := postgrestest.New(t).Database(t)
	first := config(t.TempDir())
	first.Store = url
	a, err := New(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() { cancel(); _ = a.Stop() })

	second := config(t.TempDir())
	second.Store = url
	if _, err := New(t.Context(), second); fault.KindOf(err) != fault.Precondition || !strings.Contains(fault.Next(err), "copy the directory ca") {
		t.Errorf("without the CA: %v", err)
	}
	if err := os.CopyFS(filepath.Join(second.Data, "ca"), os.DirFS(filepath.Join(first.Data, "ca"))); err != nil {
		t.Fatal(err)
	}
	taken := second
	taken.HTTP = strings.TrimPrefix(a.URL(), "http://")
	if _, err := New(t.Context(), taken); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("on the same address: %v", err)
	}
	helped := second
	helped.LocalAgent, helped.AgentBinary = true, "/nowhere/agent"
	if _, err := New(t.Context(), helped); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("without its agent: %v", err)
	}
	select {
	case err := <-ended:
		t.Fatalf("the first one ended: %v", err)
	case <-time.After(2500 * time.Millisecond): // it looks every 2 s
	}

	b, err := New(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	select {
	case err := <-ended:
		if !errors.Is(err, ErrTakenOver) || strings.Contains(err.Error(), "\n") {
			t.Errorf("the first one ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the first one goes on")
	}
}
