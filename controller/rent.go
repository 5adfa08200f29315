package controller

import (
	"context"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/cloudinit"
	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/cloud/hetzner"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
)

// hetznerToken reads HETZNER_CLOUD_TOKEN, or the file that HETZNER_CLOUD_TOKEN_FILE names; empty means: no machine is rented.
func hetznerToken(getenv func(string) string) (hetzner.Token, error) {
	if t := strings.TrimSpace(getenv("HETZNER_CLOUD_TOKEN")); t != "" {
		return hetzner.Token(t), nil
	}
	file := getenv("HETZNER_CLOUD_TOKEN_FILE")
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "the file of HETZNER_CLOUD_TOKEN_FILE cannot be read", "correct the variable or the file's rights")
	}
	if t := strings.TrimSpace(string(text)); t != "" {
		return hetzner.Token(t), nil
	}
	return "", fault.New(fault.Invalid, "the file of HETZNER_CLOUD_TOKEN_FILE is empty", "write the token into it or unset the variable")
}

// landlord gives the cloud that machines are rented from; nil when none is configured.
func (a *App) landlord(cluster string, reg prometheus.Registerer) (*hetzner.Driver, error) {
	token, err := hetznerToken(os.Getenv)
	if err != nil || token == "" {
		return nil, err
	}
	if a.cfg.PublicURL == "" {
		return nil, fault.New(fault.Invalid, "machines that are rented download their agent from this controller, and --public-url does not say where",
			"give --public-url http://HOST:8080 (and --advertise HOST:8443), as seen from the machines")
	}
	if u, err := url.Parse(a.cfg.PublicURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fault.New(fault.Invalid, "--public-url "+a.cfg.PublicURL+" is no address", "write it as http://HOST:8080")
	}
	return hetzner.New(hetzner.Options{Token: token, Endpoint: a.cfg.HetznerEndpoint, Cluster: cluster, Version: a.cfg.Version, Logger: a.log.With("room", "cloud"), Metrics: reg})
}

// renting makes provision rent from d: it is what the room needs and does not know.
func (a *App) renting(o *provision.Options, d *hetzner.Driver, tun *tunnel.Tunnel, cluster string, programs *programs, settings func(store.Tx) (autoscale.Settings, error)) {
	if d == nil {
		return
	}
	o.Cloud, o.Ground, o.Cluster, o.Tokens, o.Revoke = d, d, cluster, tun, tun.Revoke
	o.Caps = func(tx store.Tx) (provision.Caps, error) {
		s, err := settings(tx)
		return s.Caps(), err
	}
	o.Fixtures = func(ctx context.Context) (cloud.Fixtures, error) {
		return d.Prepare(ctx, cloud.Want{PortFrom: playersFrom, PortTo: playersTo, Spread: true})
	}
	o.UserData = func(m provision.Machine, t tunnel.Token) ([]byte, error) { return a.userData(m, t, programs) }
	o.Images, o.Market = d, d
	o.BuilderData = func(i provision.Image) ([]byte, error) {
		p := cloudinit.Params{Node: i.Name, Agents: a.downloads(programs, i.Arch), GameImages: i.Games}
		return cloudinit.RenderBuilder(p)
	}
	o.ImageSettings = func(tx store.Tx) (provision.ImageSettings, error) {
		s, err := settings(tx)
		return provision.ImageSettings{Base: s.Image, Used: append(slices.Collect(maps.Values(s.SpareImages)), s.Image)}, err
	}
}

// userData is what a machine needs to become a node by itself.
func (a *App) userData(m provision.Machine, t tunnel.Token, programs *programs) ([]byte, error) {
	p := cloudinit.Params{
		Node: t.Name, Controllers: a.advertised(), Pins: t.Pins, Token: t.Secret, Roles: []string{string(m.Role)},
		PortFrom: playersFrom, PortTo: playersTo, Preinstalled: ownImage(m.Image),
	}
	p.Agents = a.downloads(programs, architectures...)
	return cloudinit.Render(p)
}

// downloads are the agents that machines can have from here.
func (a *App) downloads(programs *programs, archs ...string) (out []cloudinit.Agent) {
	for _, arch := range archs {
		_, sum, err := programs.Agent(arch)
		if err != nil {
			continue // a machine of that kind says so itself
		}
		out = append(out, cloudinit.Agent{Arch: arch, URL: strings.TrimSuffix(a.cfg.PublicURL, "/") + "/dl/agent-linux-" + arch, SHA256: sum})
	}
	return out
}

// ownImage tells whether a machine boots from a snapshot of ours, which has all programs: the provider's images have names, snapshots ids.
func ownImage(image string) bool {
	_, err := strconv.ParseInt(image, 10, 64)
	return err == nil
}

// The players' ports of a rented machine.
const playersFrom, playersTo = 25565, 26464

// onWaiting calls kick when a server begins to wait for room: the loop that can help need not be asked to look all the time.
func onWaiting(events *event.Log, kick func()) func(context.Context) error {
	return func(ctx context.Context) error {
		for ctx.Err() == nil {
			for _, err := range events.Follow(ctx, -1, event.Filter{Types: []string{"server.waiting"}}) {
				if err != nil {
					break // the loop looks by itself every few seconds
				}
				kick()
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
		return nil
	}
}

// market is d, or nothing at all: a nil driver in an interface would not be nil.
func market(d *hetzner.Driver) cloud.Market {
	if d == nil {
		return nil
	}
	return d
}
