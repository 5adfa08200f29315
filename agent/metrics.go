package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/payperplay/payperplay/protocol"
)

// serveMetrics opens the metrics' listener where one was asked for; without it the agent listens on nothing.
func (a *Agent) serveMetrics(ctx context.Context) error {
	if a.cfg.Metrics == "" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.Metrics)
	if err != nil {
		return protocol.Faultf(protocol.Invalid, "choose another --metrics address", "cannot serve metrics at %s: %v", a.cfg.Metrics, err)
	}
	a.metrics = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	a.goRun(ctx, "metrics", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
		defer stop()
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	a.log.Info("metrics are served", "address", a.metrics)
	return nil
}
