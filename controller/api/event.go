package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// filter reads what list and live share. Servers and nodes may be named; what no longer exists is taken as an id.
func (a *API) filter(c echo.Context) (event.Filter, error) {
	f := event.Filter{Server: c.QueryParam("server"), Node: c.QueryParam("node")}
	if t := c.QueryParam("type"); t != "" {
		f.Types = []string{t}
	}
	var err error
	if f.After, err = intQuery(c, "after", 0, 0, 1<<62); err != nil {
		return f, err
	}
	err = a.DB.View(c.Request().Context(), func(tx store.Tx) error {
		if f.Server != "" {
			if s, err := fleet.FindServer(tx, f.Server); err == nil {
				f.Server = s.ID
			} else if !isNotFound(err) {
				return err
			}
		}
		if f.Node != "" {
			if n, err := fleet.FindNode(tx, f.Node); err == nil {
				f.Node = n.ID
			} else if !isNotFound(err) {
				return err
			}
		}
		return nil
	})
	return f, err
}

func (a *API) listEvents(c echo.Context, _ Actor) error {
	f, err := a.filter(c)
	if err != nil {
		return err
	}
	if f.Since, err = timeQuery(c, "since"); err != nil {
		return err
	}
	if f.Until, err = timeQuery(c, "until"); err != nil {
		return err
	}
	limit, err := intQuery(c, "limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	f.Limit, f.Reverse = int(limit), boolQuery(c, "newest")
	if cursor, err := intQuery(c, "cursor", 0, 0, 1<<62); err != nil {
		return err
	} else if cursor > 0 {
		f.After = cursor
	}
	list, next, err := a.Events.Query(c.Request().Context(), f)
	if err != nil {
		return err
	}
	views, err := a.eventViews(c.Request().Context(), list)
	if err != nil {
		return err
	}
	if f.Reverse {
		slices.Reverse(views)
	}
	cursor := ""
	if next > 0 {
		cursor = strconv.FormatInt(next, 10)
	}
	return c.JSON(http.StatusOK, toPage(views, cursor))
}

func (a *API) eventViews(ctx context.Context, list []event.Event) ([]client.Event, error) {
	n, err := a.resolve(ctx, list)
	if err != nil {
		return nil, err
	}
	views := make([]client.Event, len(list))
	for i, e := range list {
		views[i] = eventView(e, n)
	}
	return views, nil
}
