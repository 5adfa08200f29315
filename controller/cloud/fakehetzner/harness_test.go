package fakehetzner_test

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner/check"
)

// clock is virtual.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// start serves a cloud whose every request and reply is checked, and a client of it.
func start(t *testing.T, o fakehetzner.Options) (*fakehetzner.Cloud, *hcloud.Client) {
	t.Helper()
	cloud, err := fakehetzner.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(check.Wrap(t, cloud.Handler()))
	t.Cleanup(srv.Close)
	return cloud, dial(srv.URL, "fake-token")
}

func dial(url, token string) *hcloud.Client {
	return hcloud.NewClient(hcloud.WithEndpoint(url+"/v1"), hcloud.WithToken(token), hcloud.WithPollOpts(hcloud.PollOpts{BackoffFunc: hcloud.ConstantBackoff(time.Millisecond)}),
		hcloud.WithRetryOpts(hcloud.RetryOpts{BackoffFunc: hcloud.ConstantBackoff(time.Millisecond), MaxRetries: 0}))
}

func order(name string) hcloud.ServerCreateOpts {
	return hcloud.ServerCreateOpts{
		Name: name, ServerType: &hcloud.ServerType{Name: "cx23"}, Image: &hcloud.Image{Name: "debian-12"}, Location: &hcloud.Location{Name: "fsn1"},
		UserData: "#cloud-config\n", Labels: map[string]string{"managed-by": "payperplay", "role": "worker"},
	}
}

// create orders a machine and waits until it is on.
func create(t *testing.T, c *hcloud.Client, o hcloud.ServerCreateOpts) *hcloud.Server {
	t.Helper()
	got, _, err := c.Server.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, append(got.NextActions, got.Action)...)
	return got.Server
}

func wait(t *testing.T, c *hcloud.Client, actions ...*hcloud.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Action.WaitFor(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

func code(t *testing.T, err error, want hcloud.ErrorCode) {
	t.Helper()
	if !hcloud.IsError(err, want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}
