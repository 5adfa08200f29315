package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

type testDoor struct{ joined []string }

func (d *testDoor) Join(_ context.Context, r protocol.JoinRequest) (protocol.JoinReply, error) {
	switch r.Token {
	case "panic":
		panic("boom")
	case "used":
		return protocol.JoinReply{}, protocol.Faultf(protocol.Unauthorized, "make a new token", "this token was used")
	}
	d.joined = append(d.joined, r.Token)
	return protocol.JoinReply{Node: "node_1", Name: r.Facts.Name}, nil
}

func (d *testDoor) Recover(_ context.Context, r protocol.RecoverRequest) (protocol.JoinReply, error) {
	return protocol.JoinReply{Node: r.Node}, nil
}

// knock makes one call at a door.
func knock[Req, Resp any](t *testing.T, door protocol.Door, method protocol.Method[Req, Resp], req Req) (resp Resp, err, served error) {
	t.Helper()
	a, c := tlsPair(t)
	done := make(chan error, 1)
	go func() { done <- ServeExchange(context.Background(), c, door); _ = c.Close() }()
	resp, err = ExchangeClient(t.Context(), a, method, req)
	_ = a.Close()
	return resp, err, <-done
}

func TestExchange(t *testing.T) {
	door := &testDoor{}
	if r, err, served := knock(t, door, protocol.DoorJoin, protocol.JoinRequest{Token: "good", Facts: protocol.NodeFacts{Name: "n"}}); err != nil || served != nil || r.Name != "n" {
		t.Errorf("%+v, %v, %v", r, err, served)
	}
	if r, err, _ := knock(t, door, protocol.DoorRecover, protocol.RecoverRequest{Node: "node_7"}); err != nil || r.Node != "node_7" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err, _ := knock(t, door, protocol.DoorJoin, protocol.JoinRequest{Token: "used"}); protocol.CodeOf(err) != protocol.Unauthorized || !strings.Contains(err.Error(), "make a new token") {
		t.Error(err)
	}
	if _, err, served := knock(t, door, protocol.DoorJoin, protocol.JoinRequest{Token: "panic"}); protocol.CodeOf(err) != protocol.Internal || served == nil {
		t.Error(err, served)
	}
	if _, err, _ := knock(t, door, protocol.HomeHello, protocol.Hello{}); protocol.CodeOf(err) != protocol.Invalid {
		t.Error(err)
	}
	if _, err, served := knock(t, door, protocol.DoorJoin, protocol.JoinRequest{Token: strings.Repeat("x", 2*MaxExchange)}); err == nil || served == nil {
		t.Error(err, served)
	}
	if len(door.joined) != 1 {
		t.Errorf("joined: %v", door.joined)
	}
}

func TestExchangeEndsInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, c := net.Pipe()
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- ServeExchange(context.Background(), c, &testDoor{}) }()
		if err := <-done; err == nil || time.Since(start) > DefaultCall+time.Second {
			t.Errorf("a silent stranger was waited for %v: %v", time.Since(start), err)
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = c.SetDeadline(time.Time{})
		start = time.Now()
		_, err := ExchangeClient(ctx, a, protocol.DoorJoin, protocol.JoinRequest{})
		if protocol.CodeOf(err) != protocol.Timeout || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		_ = a.Close()
	})
}
