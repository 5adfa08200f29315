package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// scalingRoutes are the rows of the table about rented machines.
func (a *API) scalingRoutes() []route {
	const get, post, patch = http.MethodGet, http.MethodPost, http.MethodPatch
	return []route{
		{Method: get, Path: "/api/machines", Permission: NodeRead, Handler: a.listMachines, Summary: "The machines that are rented", Response: client.Page[client.Machine]{}, Tag: "scaling", Query: []param{{"gone", "boolean", "also those that were deleted in the last 30 days"}}},
		{Method: get, Path: "/api/machines/:name", Permission: NodeRead, Handler: a.showMachine, Summary: "Show a machine", Response: client.Machine{}, Tag: "scaling"},
		{Method: get, Path: "/api/scaling/status", Permission: NodeRead, Handler: a.scalingStatus, Summary: "Limits, money, and who waits for room", Response: client.Scaling{}, Tag: "scaling"},
		{Method: post, Path: "/api/scaling/enable", Permission: NodeAdmin, Handler: a.enableScaling, Summary: "Order and release machines as the load asks for it", Response: client.Scaling{}, Tag: "scaling"},
		{Method: post, Path: "/api/scaling/disable", Permission: NodeAdmin, Handler: a.disableScaling, Summary: "Order and release no machine; those that run stay", Response: client.Scaling{}, Tag: "scaling"},
		{Method: patch, Path: "/api/scaling/settings", Permission: NodeAdmin, Handler: a.setScaling, Summary: "Change limits and wishes; what is left out stays", Request: client.ScalingSettings{}, Response: client.Scaling{}, Tag: "scaling"},
		{Method: get, Path: "/api/scaling/history", Permission: NodeRead, Handler: a.scalingHistory, Summary: "Decisions with what they were made from, newest first", Query: paging, Response: client.Page[client.ScalingEntry]{}, Tag: "scaling"},
		{Method: get, Path: "/api/scaling/plan", Permission: NodeRead, Handler: a.scalingPlan, Summary: "What would be decided now, and why not otherwise; nothing is done", Response: client.ScalingEntry{}, Tag: "scaling"},
		{Method: post, Path: "/api/cloud/garbage", Permission: NodeAdmin, Handler: a.collectGarbage, Summary: "What is in the cloud with our label and no row knows", Response: client.Garbage{}, Tag: "scaling", Query: []param{{"dry_run", "boolean", "false: take it away; by default it is only shown"}}},
	}
}

func (a *API) scalingStatus(c echo.Context, _ Actor) error {
	ctx, now := c.Request().Context(), a.Now()
	st, err := a.Scaling.Status(ctx)
	if err != nil {
		return err
	}
	in := st.Plan.Inputs
	out := client.Scaling{
		Available: st.Available, Enabled: st.Settings.Enabled, Settings: settingsView(st.Settings),
		Machines: in.Machines, Spares: in.Empty, SparesWanted: in.PoolWanted, Fill: filled(in),
		HourlyMicroEUR: int64(in.Hourly), TodayMicroEUR: int64(in.Spent), TodayMostMicroEUR: int64(in.Today), MonthMostMicroEUR: int64(in.Hourly) * monthHours,
		CatalogueAt: st.CatalogueAt,
	}
	switch {
	case !st.Available:
		out.Explain, out.Next = st.Problem, st.Next+"; servers run on the nodes that are there all the same"
	case !st.Settings.Enabled:
		out.Explain, out.Next = "off: no machine is ordered and none is released", "turn it on with controller scaling enable, after a look at the limits"
	default:
		out.Explain = "on: " + strings.Join(st.Plan.Reasons, "; ")
		if f := st.Trouble; f != nil {
			out.Explain, out.Next = out.Explain+"; the last order came to nothing: "+f.Message, f.Next
		} else if st.Plan.Unmet {
			out.Next = "see what was considered: controller scaling plan; allow more types, locations, machines or euros with controller scaling set"
		}
	}
	if out.Waiting, err = a.waitingServers(c); err != nil {
		return err
	}
	history, err := a.Scaling.History(ctx, now.Add(time.Hour), 1)
	if err != nil {
		return err
	}
	if len(history) > 0 {
		e := entryView(history[0])
		out.Last = &e
	}
	return c.JSON(http.StatusOK, out)
}

// filled is the part of the room that is booked, 0…1; what waits is not in it.
func filled(in autoscale.Inputs) float64 {
	if in.Capacity <= 0 {
		return 0
	}
	return float64(in.Booked) / float64(in.Capacity)
}

// monthHours is what a month has, as prices by the month are made (features.md §6).
const monthHours = 730

func (a *API) waitingServers(c echo.Context) ([]client.WaitingServer, error) {
	out := []client.WaitingServer{}
	err := a.DB.View(c.Request().Context(), func(tx store.Tx) error {
		out = out[:0]
		for s, err := range fleet.Servers.Match(tx, "unsettled", true, "", 0, false) {
			if err != nil {
				return err
			}
			if w := s.Waiting; w != nil && len(out) < 500 {
				out = append(out, client.WaitingServer{Server: s.Name, MemoryBytes: w.Need.MemoryBytes, CPUMillis: w.Need.CPUMillis, Since: w.Since, Why: w.Reason})
			}
		}
		return nil
	})
	return out, err
}

func settingsView(s autoscale.Settings) client.ScalingSettings {
	perDay, cooldown, spares, zone := int64(s.MaxPerDay), int64(time.Duration(s.Cooldown)/time.Second), s.Spares.String(), s.Spares.Zone.Name
	types, locations := append([]string{}, s.Types...), append([]string{}, s.Locations...)
	return client.ScalingSettings{
		MaxMachines: &s.MaxNodes, MaxDayMicroEUR: &perDay, Up: &s.Up, Down: &s.Down, CooldownSeconds: &cooldown, ReleaseMinute: &s.ReleaseAt,
		Types: &types, Locations: &locations, Zone: &zone, Spares: &spares,
	}
}

func (a *API) enableScaling(c echo.Context, actor Actor) error { return a.turnScaling(c, actor, true) }
func (a *API) disableScaling(c echo.Context, actor Actor) error {
	return a.turnScaling(c, actor, false)
}

func (a *API) turnScaling(c echo.Context, actor Actor, on bool) error {
	if _, err := a.Scaling.Enable(c.Request().Context(), actor.Name, on); err != nil {
		return err
	}
	return a.scalingStatus(c, actor)
}

func (a *API) setScaling(c echo.Context, actor Actor) error {
	var req client.ScalingSettings
	if err := decode(c, &req); err != nil {
		return err
	}
	patch, err := settingsPatch(req)
	if err != nil {
		return err
	}
	if _, err := a.Scaling.Set(c.Request().Context(), actor.Name, patch); err != nil {
		return err
	}
	return a.scalingStatus(c, actor)
}

// settingsPatch turns what travels into the room's own names.
func settingsPatch(r client.ScalingSettings) ([]byte, error) {
	patch, pool := map[string]any{}, map[string]any{}
	put := func(name string, set bool, v any) {
		if set {
			patch[name] = v
		}
	}
	put("max_cloud_nodes", r.MaxMachines != nil, r.MaxMachines)
	put("max_micro_euros_per_day", r.MaxDayMicroEUR != nil, r.MaxDayMicroEUR)
	put("up", r.Up != nil, r.Up)
	put("down", r.Down != nil, r.Down)
	put("release_minute", r.ReleaseMinute != nil, r.ReleaseMinute)
	put("types", r.Types != nil, r.Types)
	put("locations", r.Locations != nil, r.Locations)
	if r.CooldownSeconds != nil {
		if *r.CooldownSeconds < 0 || *r.CooldownSeconds > 86400 {
			return nil, fault.New(fault.Invalid, "cooldown_seconds must be from 0 to 86400", "300 is usual")
		}
		patch["cooldown"] = (time.Duration(*r.CooldownSeconds) * time.Second).String()
	}
	if r.Zone != nil {
		pool["zone"] = *r.Zone
	}
	if r.Spares != nil {
		p, err := autoscale.ParseSpares(*r.Spares)
		if err != nil {
			return nil, err
		}
		pool["base"], pool["rules"] = p.Base, p.Rules
	}
	put("spares", len(pool) > 0, pool)
	return json.Marshal(patch)
}

func (a *API) scalingHistory(c echo.Context, _ Actor) error {
	limit, err := intQuery(c, "limit", 100, 1, 500)
	if err != nil {
		return err
	}
	var before time.Time
	if cursor := c.QueryParam("cursor"); cursor != "" {
		if before, err = time.Parse(time.RFC3339Nano, cursor); err != nil {
			return fault.New(fault.Invalid, "the cursor is not one", "use the one that came with the page before, or none")
		}
	}
	list, err := a.Scaling.History(c.Request().Context(), before, int(limit))
	if err != nil {
		return err
	}
	views, next := make([]client.ScalingEntry, 0, len(list)), ""
	for _, e := range list {
		views = append(views, entryView(e))
	}
	if len(list) == int(limit) {
		next = list[len(list)-1].At.UTC().Format(time.RFC3339Nano)
	}
	return c.JSON(http.StatusOK, toPage(views, next))
}

func (a *API) scalingPlan(c echo.Context, _ Actor) error {
	st, err := a.Scaling.Status(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, entryView(autoscale.Entry{At: a.Now().UTC(), Decision: st.Plan}))
}

func entryView(e autoscale.Entry) client.ScalingEntry {
	v := client.ScalingEntry{ID: e.ID, At: e.At, Actions: []client.ScalingAction{}, Considered: []client.ScalingRejected{}, Reasons: append([]string{}, e.Decision.Reasons...)}
	for i, x := range e.Decision.Actions {
		act := client.ScalingAction{Do: string(x.Do), Machine: x.Name, Why: x.Why, MicroEUR: int64(x.Hourly)}
		if len(x.Candidates) > 0 {
			act.Type, act.Location, act.MicroEUR = x.Candidates[0].Type, x.Candidates[0].Location, int64(x.Candidates[0].Hourly)
		}
		if i < len(e.Results) {
			act.Result = e.Results[i]
		}
		v.Actions = append(v.Actions, act)
	}
	for _, x := range e.Decision.Considered {
		v.Considered = append(v.Considered, client.ScalingRejected{What: x.What, Why: x.Why, MicroEUR: int64(x.Hourly)})
	}
	text, err := json.Marshal(e.Decision.Inputs)
	if err == nil {
		err = json.Unmarshal(text, &v.Inputs)
	}
	if err != nil {
		v.Inputs = map[string]any{}
	}
	if need, ok := v.Inputs["waiting_need"].(map[string]any); ok { // flat, for people
		v.Inputs["waiting_bytes"] = need["memory_bytes"]
		delete(v.Inputs, "waiting_need")
	}
	return v
}
