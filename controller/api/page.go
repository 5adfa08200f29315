package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/store"
)

// listByName answers one page of a table that has an index "name": at most ?limit rows after ?cursor, which is the name of the last
// row of the page before, so that rows that come and go meanwhile neither repeat nor hide others.
func listByName[R, V any](a *API, c echo.Context, rows store.Table[R], name func(R) string, view func(store.Tx, R) (V, error)) error {
	limit, err := intQuery(c, "limit", 100, 1, 500)
	if err != nil {
		return err
	}
	after := c.QueryParam("cursor")
	var from any
	if after != "" {
		from = after
	}
	var views []V
	last, next := "", ""
	err = a.DB.View(c.Request().Context(), func(tx store.Tx) error {
		for r, err := range rows.Range(tx, "name", from, nil, 0, false) {
			if err != nil {
				return err
			}
			if name(r) == after {
				continue
			}
			if len(views) == int(limit) {
				next = last
				return nil
			}
			v, err := view(tx, r)
			if err != nil {
				return err
			}
			views, last = append(views, v), name(r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toPage(views, next))
}
