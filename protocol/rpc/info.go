package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
)

// CallInfo says which call a handler is serving.
type CallInfo struct {
	CallID uint64 // unique within the caller's session
	Trace  string // 32 hex digits: the same through all calls that serve one purpose
	Term   int64  // the caller's
	Method string
}

type (
	infoKey  struct{}
	traceKey struct{}
)

// callContext carries the call's header; a type of its own costs one allocation where WithValue would cost two.
type callContext struct {
	context.Context
	h    header
	name string
}

func (c *callContext) Value(key any) any {
	if _, ok := key.(infoKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// Info tells which call ctx belongs to; the zero value if none.
func Info(ctx context.Context) CallInfo {
	c, ok := ctx.Value(infoKey{}).(*callContext)
	if !ok {
		return CallInfo{}
	}
	return CallInfo{CallID: c.h.call, Trace: hex.EncodeToString(c.h.trace[:]), Term: c.h.term, Method: c.name}
}

// WithTrace gives calls made under ctx this trace id. 32 hex digits travel as they are, any other text as its hash.
// Without it a handler's own calls carry on the trace of the call it serves, and other calls get a random one.
func WithTrace(ctx context.Context, id string) context.Context {
	var trace [16]byte
	if n, err := hex.Decode(trace[:], []byte(id[:min(len(id), 32)])); err != nil || n != len(trace) || len(id) != 32 {
		sum := sha256.Sum256([]byte(id))
		copy(trace[:], sum[:])
	}
	return context.WithValue(ctx, traceKey{}, trace)
}

func outgoingTrace(ctx context.Context) (trace [16]byte) {
	if t, ok := ctx.Value(traceKey{}).([16]byte); ok {
		return t
	}
	if c, ok := ctx.Value(infoKey{}).(*callContext); ok {
		return c.h.trace
	}
	for i := 0; i < len(trace); i += 8 { // an id for logs, not a secret
		v := rand.Uint64()
		for j := range 8 {
			trace[i+j] = byte(v >> (8 * j))
		}
	}
	return trace
}
