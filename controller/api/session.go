package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
)

func (a *API) login(c echo.Context, _ Actor) error {
	r := c.Request()
	if !sameOrigin(r) {
		return fault.New(fault.Forbidden, "the login came from another site", "log in on the controller's own page")
	}
	var req client.Login
	if err := decode(c, &req); err != nil {
		return err
	}
	limiter := a.auth.limiter(sourceOf(r))
	if limiter.TokensAt(a.Now()) < 1 {
		c.Response().Header().Set("Retry-After", "6")
		return fault.New(fault.Exhausted, "too many failed logins from this address", "wait a few seconds, then try again")
	}
	if !a.auth.isOperator(req.Token) {
		limiter.AllowN(a.Now(), 1)
		return fault.New(fault.Unauthorized, "that is not the operator's token", "it is in the file DATA/operator.token on the controller's machine")
	}
	if old := sessionSecret(r); old != "" {
		if err := a.auth.close(r.Context(), hashOf(old)); err != nil {
			return err
		}
	}
	secret, err := a.auth.open(r.Context(), "operator")
	if err != nil {
		return err
	}
	setCookie(c, secret, sessionMost)
	return c.JSON(http.StatusOK, a.sessionView("operator", secret))
}

func (a *API) session(c echo.Context, actor Actor) error {
	return c.JSON(http.StatusOK, a.sessionView(actor.Name, sessionSecret(c.Request())))
}

func (a *API) sessionView(actor, secret string) client.Session {
	s := client.Session{Actor: actor, Version: a.Version, Cluster: a.Cluster}
	if secret != "" {
		s.CSRF = csrfOf(secret)
	}
	return s
}

func (a *API) logout(c echo.Context, actor Actor) error {
	if actor.Session != "" {
		if err := a.auth.close(c.Request().Context(), actor.Session); err != nil {
			return err
		}
	}
	setCookie(c, "", 0)
	return c.NoContent(http.StatusNoContent)
}
