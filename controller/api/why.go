package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
)

// whyServer answers "why is my server here, or nowhere": what was noted when it was placed, and what each node could do now.
func (a *API) whyServer(c echo.Context, _ Actor) error {
	ctx := c.Request().Context()
	b, err := a.Lifecycle.Why(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	st := fleet.State(b.Server, b.Node, a.Now())
	w := client.Why{Server: b.Server.Name, State: st.State, Nodes: make([]client.WhyNode, 0, len(b.Nodes))}
	for _, n := range b.Nodes {
		w.Nodes = append(w.Nodes, client.WhyNode{Node: n.Name, Fits: n.Fits, Why: n.Why})
	}
	switch {
	case b.Node != nil:
		w.Node = b.Node.Name
		w.Explain = "its files are on node " + w.Node + ", so it runs there"
		if w.Reason, w.Placed, err = a.placed(ctx, b.Server.ID); err != nil {
			return err
		}
	case b.Server.Waiting != nil:
		w.Explain = "no node has room for it: " + b.Choice.Explain()
		w.Next = "it starts by itself when there is room: stop another server, add a node, or make this one smaller"
		scaling, err := a.Scaling.Status(ctx)
		if err != nil {
			return err
		}
		plan := entryView(autoscale.Entry{At: a.Now().UTC(), Decision: scaling.Plan})
		w.Scaling = &plan
	default:
		w.Explain = "it has never been started, so it is on no node; now it would go to " + b.Choice.Explain()
		if b.Choice.Node == "" {
			w.Explain = "it has never been started, so it is on no node; now it would find no room: " + b.Choice.Explain()
		}
		w.Next = "start it with controller server start " + b.Server.Name
	}
	return c.JSON(http.StatusOK, w)
}

// placed is what the log says of the last placement; events are kept for a while only.
func (a *API) placed(ctx context.Context, server string) (why string, at time.Time, err error) {
	list, _, err := a.Events.Query(ctx, event.Filter{Types: []string{"server.assigned"}, Server: server, Limit: 1, Reverse: true})
	if err != nil || len(list) == 0 {
		return "", time.Time{}, err
	}
	var data struct {
		Why string `json:"why"`
	}
	if err := json.Unmarshal(list[0].Data, &data); err != nil {
		return "", time.Time{}, err
	}
	return data.Why, list[0].At.UTC(), nil
}
