package fakehetzner_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
)

func TestServerLife(t *testing.T) {
	clk := newClock()
	fake, c := start(t, fakehetzner.Options{Clock: clk.Now, Timing: fakehetzner.Timing{Create: 10 * time.Second, Start: 5 * time.Second, Delete: 5 * time.Second}})
	ctx := t.Context()
	got, _, err := c.Server.Create(ctx, order("m-1"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Server.Status != hcloud.ServerStatusInitializing || got.Action.Command != "create_server" || len(got.NextActions) != 1 {
		t.Fatalf("created as %v, %v, %v", got.Server.Status, got.Action.Command, got.NextActions)
	}
	if !got.Server.PublicNet.IPv4.IP.IsLoopback() {
		t.Errorf("the address is %v", got.Server.PublicNet.IPv4.IP)
	}
	clk.Pass(5 * time.Second)
	a, _, err := c.Action.GetByID(ctx, got.Action.ID)
	if err != nil || a.Progress != 50 || a.Status != hcloud.ActionStatusRunning {
		t.Fatalf("half way the action is %+v, %v", a, err)
	}
	if _, _, err := c.Server.DeleteWithResult(ctx, got.Server); !hcloud.IsError(err, hcloud.ErrorCodeLocked) {
		t.Errorf("deleting while it is created: %v", err)
	}
	clk.Pass(10 * time.Second)
	s, _, err := c.Server.GetByID(ctx, got.Server.ID)
	if err != nil || s.Status != hcloud.ServerStatusRunning || s.Locked {
		t.Fatalf("then it is %+v, %v", s, err)
	}
	s, _, err = c.Server.Update(ctx, s, hcloud.ServerUpdateOpts{Name: "m-2", Labels: map[string]string{"a": "b"}})
	if err != nil || s.Name != "m-2" || s.Labels["a"] != "b" {
		t.Fatalf("changed to %+v, %v", s, err)
	}
	for _, step := range []struct {
		do   func() (*hcloud.Action, *hcloud.Response, error)
		want hcloud.ServerStatus
	}{
		{func() (*hcloud.Action, *hcloud.Response, error) { return c.Server.Poweroff(ctx, s) }, hcloud.ServerStatusOff},
		{func() (*hcloud.Action, *hcloud.Response, error) { return c.Server.Poweron(ctx, s) }, hcloud.ServerStatusRunning},
		{func() (*hcloud.Action, *hcloud.Response, error) { return c.Server.Reset(ctx, s) }, hcloud.ServerStatusRunning},
		{func() (*hcloud.Action, *hcloud.Response, error) { return c.Server.Reboot(ctx, s) }, hcloud.ServerStatusRunning},
		{func() (*hcloud.Action, *hcloud.Response, error) { return c.Server.Shutdown(ctx, s) }, hcloud.ServerStatusOff},
	} {
		a, _, err := step.do()
		if err != nil {
			t.Fatal(err)
		}
		clk.Pass(time.Minute)
		wait(t, c, a)
		if s, _, err := c.Server.GetByID(ctx, s.ID); err != nil || s.Status != step.want {
			t.Errorf("after %s it is %v, %v", a.Command, s.Status, err)
		}
	}
	del, _, err := c.Server.DeleteWithResult(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if s, _, _ := c.Server.GetByID(ctx, s.ID); s == nil || s.Status != hcloud.ServerStatusDeleting {
		t.Errorf("while it is deleted it is %+v", s)
	}
	clk.Pass(5 * time.Second)
	wait(t, c, del.Action)
	if s, _, err := c.Server.GetByID(ctx, s.ID); s != nil || err != nil {
		t.Errorf("after that it is %+v, %v", s, err)
	}
	inv := fake.Inventory()
	if len(inv.Machines)+len(inv.Things) != 0 || len(inv.Past) != 1 || inv.Past[0].Boots != 4 || inv.Past[0].Status != "deleted" {
		t.Errorf("left over: %+v", inv)
	}
}

func TestServerOrdersThatAreRefused(t *testing.T) {
	fake, c := start(t, fakehetzner.Options{Limits: fakehetzner.Limits{Servers: 2}})
	create(t, c, order("there"))
	if err := fake.SetStock("cx33", "fsn1", 0); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		change func(*hcloud.ServerCreateOpts)
		want   hcloud.ErrorCode
	}{
		"name":     {func(o *hcloud.ServerCreateOpts) { o.Name = "there" }, hcloud.ErrorCodeUniquenessError},
		"hostname": {func(o *hcloud.ServerCreateOpts) { o.Name = "not_a host" }, hcloud.ErrorCodeInvalidInput},
		"userdata": {func(o *hcloud.ServerCreateOpts) { o.UserData = strings.Repeat("x", 32<<10+1) }, hcloud.ErrorCodeInvalidInput},
		"type":     {func(o *hcloud.ServerCreateOpts) { o.ServerType.Name = "nope" }, hcloud.ErrorCodeInvalidInput},
		"retired":  {func(o *hcloud.ServerCreateOpts) { o.ServerType.Name = "cx11" }, hcloud.ErrorCodeInvalidServerType},
		"place":    {func(o *hcloud.ServerCreateOpts) { o.Location.Name = "ash" }, hcloud.ErrorCodeInvalidInput},
		"image":    {func(o *hcloud.ServerCreateOpts) { o.Image.Name = "nope" }, hcloud.ErrorCodeInvalidInput},
		"label":    {func(o *hcloud.ServerCreateOpts) { o.Labels = map[string]string{"a": "b c"} }, hcloud.ErrorCodeInvalidInput},
		"stock":    {func(o *hcloud.ServerCreateOpts) { o.ServerType.Name = "cx33" }, hcloud.ErrorCodeResourceUnavailable},
		"network":  {func(o *hcloud.ServerCreateOpts) { o.Networks = []*hcloud.Network{{ID: 1}} }, hcloud.ErrorCodeNotFound},
		"group":    {func(o *hcloud.ServerCreateOpts) { o.PlacementGroup = &hcloud.PlacementGroup{ID: 1} }, hcloud.ErrorCodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			o := order("other")
			x.change(&o)
			_, _, err := c.Server.Create(t.Context(), o)
			code(t, err, x.want)
		})
	}
	create(t, c, order("second"))
	_, _, err := c.Server.Create(t.Context(), order("third"))
	code(t, err, hcloud.ErrorCodeResourceLimitExceeded)
	if inv := fake.Inventory(); len(inv.Machines) != 2 || inv.Counters.Done["POST /servers"] != 2 || inv.Counters.Duplicates != 1 {
		t.Errorf("machines: %+v", inv)
	}
}

func TestServerProtectionAndArm(t *testing.T) {
	_, c := start(t, fakehetzner.Options{})
	o := order("arm")
	o.ServerType.Name = "cax11"
	s := create(t, c, o)
	if s.Image.Architecture != hcloud.ArchitectureARM || s.ServerType.Architecture != hcloud.ArchitectureARM {
		t.Errorf("it is %+v", s.Image)
	}
	yes := true
	a, _, err := c.Server.ChangeProtection(t.Context(), s, hcloud.ServerChangeProtectionOpts{Delete: &yes, Rebuild: &yes})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, a)
	_, _, err = c.Server.DeleteWithResult(t.Context(), s)
	code(t, err, hcloud.ErrorCodeProtected)
}
