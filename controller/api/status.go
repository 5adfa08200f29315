package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/monitor"
	"github.com/payperplay/payperplay/controller/template"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

func (a *API) status(c echo.Context, _ Actor) error {
	ctx := c.Request().Context()
	snap, err := a.Monitor.Fleet(ctx)
	if err != nil {
		return err
	}
	loads, err := a.Monitor.Loads(ctx)
	if err != nil {
		return err
	}
	now, t := snap.At, snap.Totals()
	st := client.Status{At: now, Version: a.Version, Cluster: a.Cluster, Term: a.DB.Term(), Started: a.started, Nodes: make([]client.Node, 0, t.Nodes), Servers: make(map[string]string, t.Servers)}
	st.Totals = client.Totals{Nodes: t.Nodes, Servers: t.Servers, Running: t.Running, ByState: t.ServersByState, Waiting: t.ServersByState[fleet.StateWaiting],
		MemoryTotalBytes: t.MemoryInstalled, MemorySchedulableBytes: t.Total.MemoryBytes, MemoryBookedBytes: t.Booked.MemoryBytes}
	nodeOf := snap.Finder()
	for id, s := range snap.Servers {
		if s.Desired == fleet.Deleted {
			continue
		}
		n := nodeOf(s)
		if n != nil {
			st.Servers[s.Name] = n.Name
		} else {
			st.Servers[s.Name] = ""
		}
		if s.Observed.State == protocol.StateRunning && fleet.State(s, n, now).State == string(protocol.StateRunning) {
			a.countPlayers(id, &st.Totals)
		}
	}
	for id, n := range snap.Nodes {
		if n.Revoked {
			continue
		}
		v := a.nodeView(n, loads[id], now)
		if v.Connected {
			st.Totals.NodesConnected++
		}
		st.Nodes = append(st.Nodes, v)
	}
	sortNodes(st.Nodes)
	st.Warnings = a.warnings(c.Request().Context())
	if st.Recovery, err = a.recoveryBrief(c.Request().Context()); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, st)
}

func (a *API) countPlayers(server string, t *client.Totals) {
	if u := a.usage(server); u != nil && u.Players != nil {
		t.Players += *u.Players
	} else {
		t.PlayersUnknown++
	}
}

func samplesView(points []monitor.Point) client.Samples {
	out := client.Samples{StepSeconds: int(monitor.Step / time.Second), Points: make([]client.Point, len(points))}
	for i, p := range points {
		v := client.Point{At: p.At, MemoryBytes: p.MemoryBytes, CPUCores: float64(p.CPUCores), NetRx: p.NetRx, NetTx: p.NetTx}
		if n := int(p.Players); n >= 0 {
			v.Players = &n
		}
		if tps := float64(p.TPS); tps >= 0 {
			v.TPS = &tps
		}
		out.Points[i] = v
	}
	return out
}

// tokenView adds the line to paste on the machine.
func (a *API) tokenView(t tunnel.Token) client.Token {
	line := []string{"agent run", "--data /var/lib/payperplay-agent"}
	for _, addr := range a.TunnelAddrs {
		line = append(line, "--controller "+addr)
	}
	for _, pin := range t.Pins {
		line = append(line, "--ca-pin "+pin)
	}
	line = append(line, "--token "+t.Secret, "--name "+t.Name)
	return client.Token{Token: t.Secret, Name: t.Name, Expires: t.Expires, Pins: t.Pins, Command: strings.Join(line, " ")}
}

func (a *API) listTemplates(c echo.Context, _ Actor) error {
	players, err := intQuery(c, "players", 0, 0, 1000)
	if err != nil {
		return err
	}
	q := template.Query{Category: c.QueryParam("category"), Text: c.QueryParam("q"), Players: int(players), Popular: boolQuery(c, "popular")}
	views := []client.Template{}
	for _, t := range a.Templates.List(q) {
		views = append(views, templateView(t))
	}
	return c.JSON(http.StatusOK, toPage(views, ""))
}

func (a *API) showTemplate(c echo.Context, _ Actor) error {
	t, err := a.Templates.Get(c.Param("name"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, templateView(t))
}

func templateView(t template.Template) client.Template {
	v := client.Template{Name: t.Name, Title: t.Title, Summary: t.Summary, Category: t.Category, Image: t.Image, Versions: t.Versions, DefaultVersion: t.DefaultVersion,
		MemoryMin: int64(t.Memory.Min), MemoryRecommended: int64(t.Memory.Recommended), Players: t.Players.String(), Popular: t.Popular, EULA: t.EULA, CPUMillis: t.CPUMillis, DiskBytes: int64(t.Disk), BuildHint: t.BuildHint, Env: []client.TemplateEnv{}}
	for _, e := range t.Env {
		v.Env = append(v.Env, client.TemplateEnv{Name: e.Name, Kind: string(e.Kind), Default: e.Default, Min: e.Min, Max: e.Max, Enum: e.Enum, Help: e.Help})
	}
	return v
}

// serveMetrics answers this very machine, and others with the operator's token: metrics name servers.
func (a *API) serveMetrics(c echo.Context, _ Actor) error {
	if !a.private(c.Request()) {
		return errWho
	}
	promhttp.HandlerFor(a.Gatherer, promhttp.HandlerOpts{}).ServeHTTP(c.Response(), c.Request())
	return nil
}

// backupStore makes one backup at a time: each takes the disk's room for a whole copy.
func (a *API) backupStore(c echo.Context, _ Actor) error {
	if !a.backups.CompareAndSwap(false, true) {
		return fault.New(fault.Conflict, "a backup is being made already", "try again when it has ended")
	}
	defer a.backups.Store(false)
	h := c.Response().Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "payperplay-"+a.Now().UTC().Format("20060102-150405")+".store"))
	if _, err := a.DB.Backup(c.Request().Context(), pieces{c}); err != nil {
		if c.Response().Committed {
			panic(http.ErrAbortHandler) // a cut answer must not look like a whole one
		}
		h.Del("Content-Disposition")
		moreTime(c)
		return err
	}
	return nil
}
