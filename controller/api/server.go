package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/store"
)

// find reads a server and its node.
func (a *API) find(ctx context.Context, name string) (s fleet.Server, n *fleet.Node, err error) {
	err = a.DB.View(ctx, func(tx store.Tx) error {
		if s, err = fleet.FindServer(tx, name); err != nil {
			return err
		}
		n, err = nodeOf(tx, s)
		return err
	})
	return s, n, err
}

func nodeOf(tx store.Tx, s fleet.Server) (*fleet.Node, error) {
	if s.Node == "" {
		return nil, nil //nolint:nilnil // not placed: there is no node, and that is no error
	}
	n, err := fleet.Nodes.Get(tx, s.Node)
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // as above
	}
	return &n, err
}

func (a *API) listServers(c echo.Context, _ Actor) error {
	now, nodes := a.Now(), map[string]*fleet.Node{}
	return listByName(a, c, fleet.Servers, func(s fleet.Server) string { return s.Name }, func(tx store.Tx, s fleet.Server) (client.Server, error) {
		if _, known := nodes[s.Node]; !known {
			var err error
			if nodes[s.Node], err = nodeOf(tx, s); err != nil {
				return client.Server{}, err
			}
		}
		return a.serverView(s, nodes[s.Node], now), nil
	})
}

func tagOf(revision int64) string { return strconv.Quote(strconv.FormatInt(revision, 10)) }

// answer sends a server with its ETag.
func (a *API) answer(c echo.Context, status int, s fleet.Server) error {
	var n *fleet.Node
	err := a.DB.View(c.Request().Context(), func(tx store.Tx) (err error) {
		n, err = nodeOf(tx, s)
		return err
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", tagOf(s.Revision))
	return c.JSON(status, a.serverView(s, n, a.Now()))
}

func (a *API) showServer(c echo.Context, _ Actor) error {
	s, n, err := a.find(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", tagOf(s.Revision))
	return c.JSON(http.StatusOK, a.serverView(s, n, a.Now()))
}

func (a *API) createServer(c echo.Context, actor Actor) error {
	var req client.CreateServer
	if err := decode(c, &req); err != nil {
		return err
	}
	key := c.Request().Header.Get("Idempotency-Key")
	if len(key) > 128 {
		return fault.New(fault.Invalid, "the Idempotency-Key is longer than 128 characters", "send a shorter one, as a UUID")
	}
	s, err := a.Lifecycle.Create(c.Request().Context(), actor.Name, lifecycle.CreateInput{
		Name: req.Name, Template: req.Template, Version: req.Version, MemoryBytes: req.MemoryBytes, CPUMillis: req.CPUMillis,
		DiskBytes: req.DiskBytes, Env: req.Env, Node: req.Node, Start: req.Start, Once: onceKey(actor, key, req),
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", "/api/servers/"+s.Name)
	return a.answer(c, http.StatusCreated, s)
}

// onceKey joins who asks, the key and what is asked: the same key with another request is not the same.
func onceKey(actor Actor, key string, req client.CreateServer) string {
	if key == "" {
		return ""
	}
	b, err := json.Marshal(req)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(actor.Name + "\x00" + key + "\x00" + string(b)))
	return hex.EncodeToString(sum[:])
}

// ifMatch reads the header: the revision it names, 0 for "*" (whatever is there). A proxy that packs answers makes tags weak; that is no harm here.
func ifMatch(header string) (int64, error) {
	switch header = strings.TrimSpace(header); header {
	case "":
		return 0, fault.New(fault.Precondition, "the request does not say which version of the server it changes", "send the ETag you read as If-Match, or * to change it as it is")
	case "*":
		return 0, nil
	}
	revision, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(header, "W/"), `"`), 10, 64)
	if err != nil || revision < 1 {
		return 0, fault.New(fault.Invalid, "If-Match is not an ETag of a server", "send the one ETag you read, or *")
	}
	return revision, nil
}

func (a *API) patchServer(c echo.Context, actor Actor) error {
	revision, err := ifMatch(c.Request().Header.Get("If-Match"))
	if err != nil {
		return err
	}
	var req client.PatchServer
	if err := decode(c, &req); err != nil {
		return err
	}
	res, err := a.Lifecycle.Set(c.Request().Context(), actor.Name, c.Param("name"), revision, lifecycle.Changes{
		Version: req.Version, MemoryBytes: req.MemoryBytes, CPUMillis: req.CPUMillis, DiskBytes: req.DiskBytes, Env: req.Env,
	})
	if err != nil {
		return err
	}
	return a.answer(c, http.StatusOK, res.Server)
}

func (a *API) startServer(c echo.Context, actor Actor) error {
	s, err := a.Lifecycle.Start(c.Request().Context(), actor.Name, c.Param("name"))
	if err != nil {
		return err
	}
	return a.answer(c, http.StatusAccepted, s)
}

// stopReason reads the optional body of stop.
func stopReason(c echo.Context) (string, error) {
	var req client.StopServer
	if err := decode(c, &req); err != nil {
		return "", err
	}
	if len(req.Reason) > 200 || strings.ContainsAny(req.Reason, "\r\n\x00") {
		return "", fault.New(fault.Invalid, "the reason must be one line of at most 200 bytes", "")
	}
	return req.Reason, nil
}

func (a *API) stopServer(c echo.Context, actor Actor) error {
	reason, err := stopReason(c)
	if err != nil {
		return err
	}
	s, err := a.Lifecycle.Stop(c.Request().Context(), actor.Name, c.Param("name"), reason)
	if err != nil {
		return err
	}
	return a.answer(c, http.StatusAccepted, s)
}

func (a *API) restartServer(c echo.Context, actor Actor) error {
	s, err := a.Lifecycle.Restart(c.Request().Context(), actor.Name, c.Param("name"))
	if err != nil {
		return err
	}
	return a.answer(c, http.StatusAccepted, s)
}

func (a *API) killServer(c echo.Context, actor Actor) error {
	s, err := a.Lifecycle.Kill(c.Request().Context(), actor.Name, c.Param("name"))
	if err != nil {
		return err
	}
	return a.answer(c, http.StatusAccepted, s)
}

func (a *API) deleteServer(c echo.Context, actor Actor) error {
	s, err := a.Lifecycle.Delete(c.Request().Context(), actor.Name, c.Param("name"))
	if err != nil {
		return err
	}
	return a.answer(c, http.StatusAccepted, s)
}

func (a *API) samples(c echo.Context, _ Actor) error {
	since, err := timeQuery(c, "since")
	if err != nil {
		return err
	}
	s, _, err := a.find(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, samplesView(a.Monitor.History(s.ID, since)))
}
