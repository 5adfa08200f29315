package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

func (a *API) listMachines(c echo.Context, _ Actor) error {
	gone := boolQuery(c, "gone")
	now := a.Now().UTC()
	views := []client.Machine{}
	err := a.DB.View(c.Request().Context(), func(tx store.Tx) error {
		views = views[:0]
		since := now.Add(time.Hour) // none of those that are gone
		if gone {
			since = now.Add(-30 * 24 * time.Hour)
		}
		all, err := provision.ReadMachines(tx, since)
		if err != nil {
			return err
		}
		for _, m := range all {
			v, err := a.machineView(tx, m, now)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toPage(views, ""))
}

func (a *API) showMachine(c echo.Context, _ Actor) error {
	var v client.Machine
	err := a.DB.View(c.Request().Context(), func(tx store.Tx) error {
		m, err := provision.FindMachine(tx, c.Param("name"))
		if err != nil {
			return err
		}
		v, err = a.machineView(tx, m, a.Now().UTC())
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, v)
}

// machineView is what a machine looks like to people.
func (a *API) machineView(tx store.Tx, m provision.Machine, now time.Time) (client.Machine, error) {
	v := client.Machine{
		ID: m.ID, Name: m.Name, Role: string(m.Role), Type: m.Type, Location: m.At, Arch: m.Arch, Phase: string(m.Phase), Spare: m.Spare, IPv4: m.IPv4,
		MemoryBytes: m.Size.MemoryBytes, CPUMillis: m.Size.CPUMillis, DiskBytes: m.Size.DiskBytes,
		HourlyMicroEUR: int64(m.Hourly), MonthlyMicroEUR: int64(m.Monthly), TodayMicroEUR: int64(provision.Spent([]provision.Machine{m}, now)), PaidUntil: m.PaidUntil(now),
		For: m.For, By: m.By, Retry: m.Retry, Explain: m.Explain(now), Problem: problemView(m.Problem),
		Ordered: m.OrderedAt, Created: m.Created, JoinBy: m.JoinBy, Joined: m.JoinedAt, Serving: m.ServingAt, EmptyAt: m.EmptyAt, DrainBy: m.DrainBy, Deleted: m.DeletedAt,
	}
	if m.Node == "" {
		return v, nil
	}
	n, err := fleet.Nodes.Get(tx, m.Node)
	if err != nil && !isNotFound(err) {
		return v, err
	}
	v.Node = n.Name
	for _, err := range fleet.Servers.Match(tx, "node", m.Node, "", 0, false) {
		if err != nil {
			return v, err
		}
		v.Servers++
	}
	return v, nil
}

func problemView(f *protocol.Fault) *client.Problem {
	if f == nil {
		return nil
	}
	p := problemFrom(fault.FromProtocol(f))
	return &p
}

// drainNode asks that a node becomes empty; asked again it tells how far that is.
func (a *API) drainNode(c echo.Context, actor Actor) error {
	var req client.Drain
	if err := decode(c, &req); err != nil {
		return err
	}
	if req.DeadlineSeconds < 0 || req.DeadlineSeconds > 30*24*3600 {
		return fault.New(fault.Invalid, "deadline_seconds must be from 0 to 2592000", "leave it out for none")
	}
	st, err := a.Nodes.Drain(c.Request().Context(), actor.Name, c.Param("name"), time.Duration(req.DeadlineSeconds)*time.Second)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, client.Drained{Node: st.Name, Done: st.Done, Left: append([]string{}, st.Left...), More: st.More, By: st.By, Explain: st.Explain})
}

// collectGarbage looks for what no row knows, and takes it away only when it is told to.
func (a *API) collectGarbage(c echo.Context, actor Actor) error {
	dry := c.QueryParam("dry_run") != "false"
	r, err := a.Nodes.Collect(c.Request().Context(), actor.Name, dry)
	if err != nil {
		return err
	}
	out := client.Garbage{At: r.At, Dry: r.Dry, Things: []client.GarbageThing{}}
	for _, g := range r.Things {
		out.Things = append(out.Things, client.GarbageThing{Kind: string(g.Kind), ID: g.ID, Name: g.Name, Do: g.Do, Why: g.Why, Since: g.Since, Result: g.Result})
	}
	return c.JSON(http.StatusOK, out)
}
