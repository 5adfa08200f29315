package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// compactStore shrinks the store's file. Changes wait meanwhile; that somebody asked for it is in the log of events.
func (a *API) compactStore(c echo.Context, actor Actor) error {
	if a.Compact == nil {
		return fault.New(fault.Precondition, "this store has no file of ours to compact", "Postgres looks after its own space (autovacuum)")
	}
	ctx := c.Request().Context()
	done, err := a.Compact(ctx)
	moreTime(c)
	if err != nil {
		return err
	}
	err = a.DB.Update(ctx, func(tx store.Tx) error {
		_, err := a.Events.Append(tx, event.Event{Type: "store.compacted", Actor: actor.Name, Data: event.JSON(done)})
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, done)
}
