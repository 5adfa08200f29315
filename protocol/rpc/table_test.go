package rpc

import (
	"context"
	"reflect"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/protocol"
)

// register puts a method of any types on m; its handler counts.
type register func(m *Mux, entered *atomic.Int64)

// call makes a call of any types with the request that fill makes.
type callAny func(ctx context.Context, s *Session, fill func(any)) error

func unaryRow[Req, Resp any](method protocol.Method[Req, Resp]) (protocol.Row, register, callAny) {
	return method.Row(),
		func(m *Mux, entered *atomic.Int64) {
			Handle(m, method, func(context.Context, Req) (Resp, error) {
				entered.Add(1)
				var resp Resp
				return resp, nil
			})
		},
		func(ctx context.Context, s *Session, fill func(any)) error {
			var req Req
			fill(&req)
			_, err := Call(ctx, s, method, req)
			return err
		}
}

type anyRow struct {
	row      protocol.Row
	register register
	call     callAny
}

// byAgents holds the table's rows that agents call. TestS08EveryRowIsTested fails when one is missing.
func byAgents() map[string]anyRow {
	rows := map[string]anyRow{}
	add := func(row protocol.Row, r register, c callAny) { rows[row.Name] = anyRow{row, r, c} }
	add(unaryRow(protocol.HomeHello))
	add(unaryRow(protocol.HomeReport))
	add(unaryRow(protocol.HomeRenew))
	return rows
}

func TestS08EveryRowIsTested(t *testing.T) {
	tested := byAgents()
	for _, row := range protocol.All() {
		if row.Caller == protocol.ByAgent && tested[row.Name].call == nil {
			t.Errorf("%s is called by agents and missing in byAgents", row.Name)
		}
	}
}

// TestS08DeniedNeverEnters: whatever an agent sends, where the authorizer says no the handler is not entered, and the authorizer is asked
// about exactly the objects that the row names.
func TestS08DeniedNeverEnters(t *testing.T) {
	var entered atomic.Int64
	var asked atomic.Pointer[[]protocol.Object]
	m := NewMux(func(_ context.Context, row protocol.Row, objects []protocol.Object) error {
		asked.Store(&objects)
		return protocol.Faultf(protocol.NotFound, "", "%s: not yours", row.Name)
	})
	rows := byAgents()
	names := make([]string, 0, len(rows))
	for name, r := range rows {
		r.register(m, &entered)
		names = append(names, name)
	}
	agent, _ := pair(t, nil, m, nil)
	rapid.Check(t, func(rt *rapid.T) {
		r := rows[rapid.SampledFrom(names).Draw(rt, "method")]
		var sent any
		asked.Store(nil)
		err := r.call(t.Context(), agent, func(req any) {
			drawInto(rt, reflect.ValueOf(req).Elem(), 0)
			sent = reflect.ValueOf(req).Interface()
		})
		if protocol.CodeOf(err) != protocol.NotFound || entered.Load() != 0 {
			rt.Fatalf("%s: %v, entered %d times", r.row.Name, err, entered.Load())
		}
		want := r.row.ObjectsOf(sent)
		if got := asked.Load(); got == nil || len(*got) != len(want) || len(want) > 0 && !reflect.DeepEqual(*got, want) {
			rt.Fatalf("%s: asked about %v, want %v", r.row.Name, got, want)
		}
	})
}

// drawInto fills a message with drawn values.
func drawInto(rt *rapid.T, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.SampledFrom([]string{"", "srv_a", "srv_b", "node_x", "../etc", "é\n"}).Draw(rt, "s"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(-3, 3).Draw(rt, "i"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(rt, "b"))
	case reflect.Pointer:
		if depth < 6 && rapid.Bool().Draw(rt, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			drawInto(rt, v.Elem(), depth+1)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		n := rapid.IntRange(0, 3).Draw(rt, "n")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			drawInto(rt, v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				drawInto(rt, v.Field(i), depth+1)
			}
		}
	}
}

func TestRegistrationPanics(t *testing.T) {
	noObjects := protocol.HomeRenew
	noObjects.Objects = nil
	for name, f := range map[string]func(){
		"a row without objects": func() { unregistered(NewMux(allow), noObjects) },
		"no authorizer":         func() { unregistered(NewMux(nil), protocol.HomeRenew) },
		"twice": func() {
			m := NewMux(allow)
			unregistered(m, protocol.HomeRenew)
			unregistered(m, protocol.HomeRenew)
		},
		"wrong shape": func() { unregistered(NewMux(nil), protocol.ConsoleFollow) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was taken", name)
				}
			}()
			f()
		}()
	}
}

func unregistered[Req, Resp any](m *Mux, method protocol.Method[Req, Resp]) {
	_, r, _ := unaryRow(method)
	r(m, nil)
}

// nobody implements the facets; only registration is tested with it.
type nobody struct {
	protocol.Runtime
	protocol.Console
	protocol.Host
	protocol.Home
}

// TestFacetsCoverTheTable: every row but the door's is registered by one of the Serve functions.
func TestFacetsCoverTheTable(t *testing.T) {
	m := NewMux(allow)
	ServeRuntime(m, nobody{})
	ServeConsole(m, nobody{})
	ServeHost(m, nobody{})
	ServeHome(m, nobody{})
	have := map[string]bool{}
	for _, row := range m.Rows() {
		have[row.Name] = true
	}
	for _, row := range protocol.All() {
		if row.Caller != protocol.ByStranger && !have[row.Name] {
			t.Errorf("%s is served by no facet", row.Name)
		}
	}
}
