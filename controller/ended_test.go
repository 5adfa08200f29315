package controller

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

type reason struct{ error }

func (r reason) LostBecause() error { return r.error }

func TestF24Ended(t *testing.T) {
	other := errors.New("other")
	for _, test := range []struct {
		name      string
		err       error
		because   explained
		want, not error
	}{
		{"superseded in New", fmt.Errorf("begin: %w", store.ErrStaleTerm), nil, ErrTakenOver, nil},
		{"superseded", store.ErrStaleTerm, reason{store.ErrStaleTerm}, ErrTakenOver, nil},
		{"not told why", store.ErrStaleTerm, reason{}, ErrTakenOver, nil},
		{"mapped already", ErrTakenOver, nil, ErrTakenOver, nil},
		{"forgotten", store.ErrStaleTerm, reason{store.ErrForgotten}, store.ErrForgotten, ErrTakenOver},
		{"forgotten while it opens", store.ErrForgotten, nil, store.ErrForgotten, ErrTakenOver},
		{"another failure", other, reason{}, other, ErrTakenOver},
	} {
		got := (&App{because: test.because}).ended(test.err)
		if !errors.Is(got, test.want) || test.not != nil && errors.Is(got, test.not) {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	if got := (&App{}).ended(nil); got != nil {
		t.Errorf("nil became %v", got)
	}
}

// TestStartWithoutPostgres: the store is not waited for, and the message does not say so.
func TestStartWithoutPostgres(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Store = "postgres://127.0.0.1:1/x?sslmode=disable"
	_, err := New(t.Context(), cfg)
	if next := fault.Next(err); fault.KindOf(err) != fault.Unavailable || strings.Contains(next, "by itself") || !strings.Contains(next, "start it again when Postgres answers") {
		t.Errorf("%v, next %q", err, next)
	}
}
