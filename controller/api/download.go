package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/fault"
)

// Programs hands out the agent, so that a machine needs no other host than its controller.
type Programs interface {
	// Agent gives the file with the agent for an architecture (GOARCH) and its SHA-256 in hex. Kinds: not_found.
	Agent(arch string) (path, sum string, err error)
}

// download serves /dl/agent-linux-ARCH, and with .sha256 behind it the sum as sha256sum reads it. It is public: the program holds no
// secret, and a machine that has not joined has nothing to show.
func (a *API) download(c echo.Context, _ Actor) error {
	name, sumOnly := strings.CutSuffix(c.Param("name"), ".sha256")
	arch, ok := strings.CutPrefix(name, "agent-linux-")
	if !ok || a.Programs == nil {
		return fault.New(fault.NotFound, "there is no such download: "+name, "use /dl/agent-linux-amd64 or /dl/agent-linux-arm64")
	}
	path, sum, err := a.Programs.Agent(arch)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	if sumOnly {
		return c.String(http.StatusOK, sum+"  "+name+"\n")
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("ETag", `"`+sum+`"`)
	h.Set("X-Checksum-Sha256", sum)
	http.ServeFile(c.Response(), c.Request(), path)
	return nil
}
