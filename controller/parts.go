package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/template"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/durable"
)

// URL is where people open the web UI.
func (a *App) URL() string { return "http://" + dialable(a.http.Addr().String()) }

// TunnelAddr is where agents dial.
func (a *App) TunnelAddr() string { return a.tunnel.Addr().String() }

// TokenFile holds the operator's token.
func (a *App) TokenFile() string { return a.cfg.Data + "/operator.token" }

func (a *App) advertised() []string {
	if len(a.cfg.Advertise) > 0 {
		return a.cfg.Advertise
	}
	return []string{dialable(a.TunnelAddr())}
}

// dialable turns a wildcard address into one that this machine can dial.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// operatorToken reads the operator's token, or makes it the first time. The file is whole or not there.
func operatorToken(file string) (string, error) {
	durable.Sweep(file, time.Minute)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		token := "ppo_" + rand.Text() + rand.Text()
		return token, durable.WriteFile(file, []byte(token+"\n"), 0o600, "controller.token")
	}
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "the operator's token cannot be read: "+err.Error(), "let this user read "+file)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < 32 {
		return "", fault.New(fault.Invalid, file+" does not hold a token of at least 32 characters", "delete it; a new one is made at the next start")
	}
	return token, nil
}

func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "payperplay_build_info", Help: "Always 1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version(), "part": "controller"}})
	g.Set(1)
	return g
}

// notify lets a room be told of something by a room that is made before it.
type notify struct{ fn atomic.Pointer[func(string)] }

func (n *notify) to(fn func(string)) { n.fn.Store(&fn) }

func (n *notify) tell(what string) {
	if fn := n.fn.Load(); fn != nil {
		(*fn)(what)
	}
}

// renderer lets lifecycle ask the catalogue without knowing it.
type renderer struct{ *template.Catalogue }

// Render implements lifecycle.Catalogue.
func (r renderer) Render(ask lifecycle.Ask) (protocol.Spec, error) {
	t, err := r.Get(ask.Template)
	if err != nil {
		return protocol.Spec{}, err
	}
	return t.Render(template.Input{Version: ask.Version, MemoryBytes: ask.MemoryBytes, CPUMillis: ask.CPUMillis, DiskBytes: ask.DiskBytes, Env: ask.Env})
}

// whereIs tells the console room on which node a server is.
func whereIs(db store.DB) func(context.Context, string) (string, error) {
	return func(ctx context.Context, server string) (node string, err error) {
		err = db.View(ctx, func(tx store.Tx) error {
			s, err := fleet.Servers.Get(tx, server)
			node = s.Node
			return err
		})
		if fault.KindOf(err) == fault.NotFound {
			return "", fault.New(fault.NotFound, "the server was deleted", "")
		}
		return node, err
	}
}
