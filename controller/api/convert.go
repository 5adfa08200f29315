package api

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

func isNotFound(err error) bool { return fault.KindOf(err) == fault.NotFound }

// moment is t, or nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// serverView is what a server looks like to people; n is its node or nil.
func (a *API) serverView(s fleet.Server, n *fleet.Node, now time.Time) client.Server {
	st := fleet.State(s, n, now)
	o := s.Observed
	v := client.Server{
		ID: s.ID, Name: s.Name, Owner: s.Owner, Template: s.Template, Version: s.Version, Image: s.Spec.Image,
		Desired: string(s.Desired), Observed: string(o.State), State: st.State, Explain: st.Text, Next: st.Next,
		Epoch: s.Epoch, Revision: s.Revision, Address: s.Address, HasVolume: s.RanEpoch != 0,
		MemoryBytes: s.MemoryBytes, CPUMillis: s.CPUMillis, DiskBytes: s.DiskBytes, Env: s.Env,
		Restarts: o.Restarts, Progress: o.Progress, RetryAt: moment(o.Retry), StartedAt: moment(o.Started), ReadyAt: moment(o.Ready), ObservedAt: moment(s.ObservedAt),
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, CreatedBy: s.CreatedBy,
		RestartRequired: !s.AtRest() && !s.InFlight() && o.Revision != s.Revision,
	}
	if v.Observed == "" {
		v.Observed = string(protocol.StateAbsent)
	}
	if st.State == fleet.StateUnknown {
		v.Observed = fleet.StateUnknown
	}
	if v.Env == nil {
		v.Env = map[string]string{}
	}
	if n != nil {
		v.Node = n.Name
	}
	if _, port, err := net.SplitHostPort(s.Address); err == nil {
		v.Port, _ = strconv.Atoi(port)
	}
	if s.Hold != nil {
		v.Hold = s.Hold.Reason
	}
	if s.Waiting != nil {
		v.Waiting = &client.Waiting{MemoryBytes: s.Waiting.Need.MemoryBytes, CPUMillis: s.Waiting.Need.CPUMillis, Reason: s.Waiting.Reason, Since: s.Waiting.Since}
	}
	if s.Op.Live(now) {
		v.Op = &client.Op{Kind: string(s.Op.Kind), By: s.Op.Owner, Started: s.Op.Started, Expires: s.Op.Expires}
	}
	if e := o.Exit; e != nil {
		v.Exit = &client.Exit{Code: e.Code, OOM: e.OOM, Asked: e.Asked, Killed: e.Killed, At: e.At, LastLines: e.LastLine, Advice: e.Advice}
	}
	v.Usage = a.usage(s.ID)
	return v
}

func (a *API) usage(server string) *client.Usage {
	sample, at, ok := a.Monitor.Server(server)
	if !ok || sample.Started.IsZero() {
		return nil
	}
	u := &client.Usage{At: at, MemoryBytes: sample.MemoryBytes, CPUCores: sample.CPUCores, DiskBytes: sample.DiskBytes, PlayersMax: sample.PlayersMax, PlayerNames: sample.PlayerNames}
	if sample.Players >= 0 {
		u.Players = &sample.Players
	}
	if sample.TPS >= 0 {
		u.TPS = &sample.TPS
	}
	return u
}

// nodeView is what a node looks like; l is what it carries.
func (a *API) nodeView(n fleet.Node, l fleet.Load, now time.Time) client.Node {
	used := l.Used
	schedulable, reserve := fleet.Schedulable(n.Facts.MemoryBytes)
	v := client.Node{
		ID: n.ID, Name: n.Name, Class: string(n.Class), Roles: n.Facts.Roles, State: n.State(now), LastSeen: a.lastSeen(n),
		Connected: n.Reachable(now), Cordoned: n.Cordoned, Degraded: n.Facts.Degraded, Arch: n.Facts.Arch, OS: n.Facts.OS, Kernel: n.Facts.Kernel,
		Docker: n.Facts.Docker, AgentVersion: n.Facts.AgentVersion, MachineID: n.Facts.MachineID, Addresses: n.Facts.Addresses,
		JoinedAt: n.JoinedAt, ClockSkewMS: n.ClockSkewMS, RTTMillis: float64(a.Tunnel.Live(n.ID).RTT) / float64(time.Millisecond),
		MemoryTotalBytes: n.Facts.MemoryBytes, MemoryReserveBytes: reserve, MemorySchedulableBytes: schedulable, MemoryBookedBytes: used.MemoryBytes,
		CPUMillis: int64(n.Facts.CPUs) * 1000, CPUBookedMillis: used.CPUMillis, DiskTotalBytes: n.Facts.DiskBytes, DiskBookedBytes: used.DiskBytes,
		PortFrom: n.Facts.PortFrom, PortTo: n.Facts.PortTo, PortsBooked: used.Ports, Servers: l.Servers, Running: l.Running,
	}
	if v.State == "offline" {
		v.State = "unreachable"
	}
	for _, list := range []*[]string{&v.Roles, &v.Degraded, &v.Addresses} {
		if *list == nil {
			*list = []string{}
		}
	}
	v.Explain, v.Next = explainNode(n, v)
	if !n.Health.At.IsZero() {
		v.Health = &client.Health{At: n.Health.At, AgeSeconds: int64(now.Sub(n.Health.At).Seconds()), OK: n.Health.OK, Problems: n.Health.Problems}
	}
	if h, at, ok := a.Monitor.Node(n.ID); ok {
		v.Usage = &client.NodeUsage{At: at, CPUBusy: h.CPUBusy, MemoryUsed: h.MemoryUsed, DiskUsed: h.DiskUsed, DiskTotal: h.DiskTotal, Load1: h.Load1}
	}
	return v
}

// lastSeen prefers the live session over the row, which is refreshed once a minute only.
func (a *API) lastSeen(n fleet.Node) time.Time {
	if live := a.Tunnel.Live(n.ID).LastSeen; live.After(n.Contact()) {
		return live.UTC()
	}
	return n.Contact().UTC()
}

func explainNode(n fleet.Node, v client.Node) (text, next string) {
	switch v.State {
	case "ready":
		return "takes servers", ""
	case "degraded":
		return "takes servers, but this host cannot do everything: " + strings.Join(v.Degraded, "; "), "see docs/operations.md, 'Degraded nodes'"
	case "unhealthy":
		return "connected, but the last health check failed: " + strings.Join(n.Health.Problems, "; "), "look at the machine; its games run on"
	case "cordoned":
		return "takes no new servers" + reason(n), "controller node uncordon " + n.Name
	case "locked":
		return "locked" + reason(n), "find out which machine is the copy, stop it, then: controller node unlock " + n.Name
	case "revoked":
		return "cut off" + reason(n), "join it again under a new name if it is to come back"
	default:
		return "not connected; its games run on as long as the machine does", "is the machine up, and does its agent run? On the machine: look at the agent's log"
	}
}

func reason(n fleet.Node) string {
	if n.Reason == "" {
		return ""
	}
	return ": " + n.Reason
}

// names gives servers and nodes by id, for lists that show names.
type names struct{ servers, nodes map[string]string }

func (a *API) resolve(ctx context.Context, list []event.Event) (names, error) {
	n := names{servers: map[string]string{}, nodes: map[string]string{}}
	err := a.DB.View(ctx, func(tx store.Tx) error {
		for _, e := range list {
			if _, known := n.servers[e.Server]; e.Server != "" && !known {
				n.servers[e.Server] = e.Server
				if s, err := fleet.Servers.Get(tx, e.Server); err == nil {
					n.servers[e.Server] = s.Name
				}
			}
			if _, known := n.nodes[e.Node]; e.Node != "" && !known {
				n.nodes[e.Node] = e.Node
				if s, err := fleet.Nodes.Get(tx, e.Node); err == nil {
					n.nodes[e.Node] = s.Name
				}
			}
		}
		return nil
	})
	return n, err
}

func eventView(e event.Event, n names) client.Event {
	v := client.Event{Seq: e.Seq, At: e.At, Type: e.Type, Server: n.servers[e.Server], Node: n.nodes[e.Node], Owner: e.Owner, Actor: e.Actor}
	if node, ok := n.nodes[strings.TrimPrefix(e.Actor, "agent:")]; ok && e.Actor != "" { // the agent itself
		v.Actor = "agent " + node
	}
	if len(e.Data) > 0 {
		_ = json.Unmarshal(e.Data, &v.Data) // Append takes objects only
	}
	if name, ok := v.Data["name"].(string); ok && v.Server == e.Server && e.Server != "" {
		v.Server = name // the row is gone, the event remembers
	}
	return v
}

func linesView(lines []protocol.Line) []client.Line {
	out := make([]client.Line, len(lines))
	for i, l := range lines {
		out[i] = client.Line{Seq: l.Seq, Time: l.Time, Text: l.Text, Kind: string(l.Kind)}
	}
	return out
}
