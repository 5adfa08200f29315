package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/protocol"
)

// TestImageView: an image that is ready says how it is used, one that is not says what is the matter.
func TestImageView(t *testing.T) {
	i := provision.Image{ID: "img_a", Image: "12", Arch: "arm64", Type: "cax11", At: "nbg1", Disk: 40 << 30, Phase: provision.ImageReady, OrderedAt: time.Now()}
	v := imageView(i)
	if v.Use != "SCALING_SPARE_IMAGE=arm64=12" || v.Games == nil || v.Explain == "" || v.Problem != nil {
		t.Errorf("%+v", v)
	}
	i.Phase, i.Problem = provision.ImageFailed, &protocol.Fault{Code: protocol.Timeout, Message: "too slow", Next: "again"}
	if v = imageView(i); v.Use != "" || v.Problem == nil || v.Problem.Next != "again" {
		t.Errorf("%+v", v)
	}
	i.Phase, i.Problem, i.Trouble = provision.ImageDeleting, nil, &protocol.Fault{Code: protocol.Forbidden, Message: "protected"}
	if v = imageView(i); v.Problem == nil || v.Problem.Detail != "protected" {
		t.Errorf("%+v", v.Problem)
	}
}

// TestImageRoutes: without a cloud each says so and what to do, and nothing that is read of a request is let pass unchecked.
func TestImageRoutes(t *testing.T) {
	a, _ := bare(t)
	nodes, err := provision.New(provision.Options{DB: a.DB, Tunnel: struct{ provision.Tunnel }{}, Events: struct{ provision.Events }{}})
	if err != nil {
		t.Fatal(err)
	}
	a.Nodes = nodes
	for _, r := range a.imageRoutes() {
		r.Path = "/try" + r.Path
		a.echo.Add(r.Method, r.Path, a.guard(r))
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodPost, "/try/api/cloud/images", `{"arch":"arm64"}`, http.StatusPreconditionFailed},
		{http.MethodPost, "/try/api/cloud/images", `{"arch":7}`, http.StatusBadRequest},
		{http.MethodDelete, "/try/api/cloud/images/img_x", "", http.StatusPreconditionFailed},
		{http.MethodGet, "/try/api/cloud/prices", "", http.StatusPreconditionFailed},
	} {
		rec := request(a, c.method, c.path, c.body, "Authorization", "Bearer "+testToken, "Content-Type", "application/json")
		var p client.Problem
		if err := json.Unmarshal(rec.Body.Bytes(), &p); rec.Code != c.status || err != nil || p.Next == "" {
			t.Errorf("%s %s: %d %s", c.method, c.path, rec.Code, rec.Body)
		}
	}
}
