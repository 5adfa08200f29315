package api

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
)

// load reads what one node has to carry, as it is now.
func load(tx store.Tx, n fleet.Node) (l fleet.Load, err error) {
	if l.Used, err = fleet.Used(tx, n.ID); err != nil {
		return l, err
	}
	for s, err := range fleet.Servers.Match(tx, "node", n.ID, "", 0, false) {
		if err != nil {
			return l, err
		}
		l.Add(s)
	}
	return l, nil
}

// listNodes takes the loads from the monitor: a page of nodes would else read a thousand servers.
func (a *API) listNodes(c echo.Context, _ Actor) error {
	loads, err := a.Monitor.Loads(c.Request().Context())
	if err != nil {
		return err
	}
	now := a.Now()
	return listByName(a, c, fleet.Nodes, func(n fleet.Node) string { return n.Name }, func(_ store.Tx, n fleet.Node) (client.Node, error) {
		return a.nodeView(n, loads[n.ID], now), nil
	})
}

func (a *API) showNode(c echo.Context, _ Actor) error {
	return a.answerNode(c, c.Param("name"))
}

func (a *API) answerNode(c echo.Context, name string) error {
	var n fleet.Node
	var l fleet.Load
	err := a.DB.View(c.Request().Context(), func(tx store.Tx) (err error) {
		if n, err = fleet.FindNode(tx, name); err != nil {
			return err
		}
		l, err = load(tx, n)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, a.nodeView(n, l, a.Now()))
}

func (a *API) createToken(c echo.Context, actor Actor) error {
	var req client.CreateToken
	if err := decode(c, &req); err != nil {
		return err
	}
	if req.TTLSeconds < 0 || req.TTLSeconds > 24*3600 {
		return fault.New(fault.Invalid, "ttl_seconds must be from 1 to 86400", "leave it out for 15 minutes")
	}
	t, err := a.Tunnel.CreateToken(c.Request().Context(), actor.Name, tunnel.TokenRequest{
		Name: req.Name, TTL: time.Duration(req.TTLSeconds) * time.Second, Roles: req.Roles, Class: fleet.Class(req.Class), MachineID: req.MachineID, Address: req.Address,
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, a.tokenView(t))
}

func (a *API) nodeVerb(c echo.Context, do func(name string) error) error {
	name := c.Param("name")
	var id string
	err := a.DB.View(c.Request().Context(), func(tx store.Tx) error {
		n, err := fleet.FindNode(tx, name)
		id = n.ID
		return err
	})
	if err != nil {
		return err
	}
	if err := do(name); err != nil {
		return err
	}
	return a.answerNode(c, id) // by id: a revoked node's name is free for another
}

func (a *API) revokeNode(c echo.Context, actor Actor) error {
	return a.nodeVerb(c, func(name string) error { return a.Tunnel.Revoke(c.Request().Context(), actor.Name, name) })
}

func (a *API) cordonNode(c echo.Context, actor Actor) error {
	return a.nodeVerb(c, func(name string) error { return a.Nodes.Cordon(c.Request().Context(), actor.Name, name) })
}

func (a *API) uncordonNode(c echo.Context, actor Actor) error {
	return a.nodeVerb(c, func(name string) error { return a.Nodes.Uncordon(c.Request().Context(), actor.Name, name) })
}

func (a *API) unlockNode(c echo.Context, actor Actor) error {
	return a.nodeVerb(c, func(name string) error { return a.Tunnel.Unlock(c.Request().Context(), actor.Name, name) })
}

func (a *API) allowRecovery(c echo.Context, actor Actor) error {
	return a.nodeVerb(c, func(name string) error { return a.Tunnel.AllowRecovery(c.Request().Context(), actor.Name, name) })
}

func sortNodes(nodes []client.Node) {
	slices.SortFunc(nodes, func(a, b client.Node) int { return cmp.Compare(a.Name, b.Name) })
}
