package main

import (
	"context"
	"os"
	"testing"
)

// TestMain makes this binary also the child that checks a store.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "store" && os.Args[2] == "inspect" {
		os.Exit(run(context.Background(), os.Args[1:]))
	}
	os.Exit(m.Run())
}
