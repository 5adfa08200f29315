package fakehetzner

import (
	"net/http"
	"net/netip"
	"slices"
)

type firewallRule struct {
	Direction    string   `json:"direction"`
	Protocol     string   `json:"protocol"`
	Port         *string  `json:"port"`
	Description  *string  `json:"description"`
	Sources      []string `json:"source_ips"`
	Destinations []string `json:"destination_ips"`
}

type firewall struct {
	head
	rules     []firewallRule
	servers   []int64
	selectors []string
}

// firewallTarget is what one is applied to.
type firewallTarget struct {
	Type   string `json:"type"`
	Server *struct {
		ID int64 `json:"id"`
	} `json:"server"`
	Selector *struct {
		Selector string `json:"selector"`
	} `json:"label_selector"`
}

func (f *firewall) add(server int64) {
	if !slices.Contains(f.servers, server) {
		f.servers = append(f.servers, server)
	}
}

// reaches lists the machines that it is in force on.
func (f *firewall) reaches(c *Cloud) []int64 {
	out := slices.Clone(f.servers)
	for _, s := range f.selectors {
		out = append(out, f.selected(c, s)...)
	}
	return out
}

func (f *firewall) selected(c *Cloud, selector string) []int64 {
	out := []int64{}
	for _, s := range c.servers.all() {
		if ok, err := selects(selector, s.Labels); ok && err == nil {
			out = append(out, s.ID)
		}
	}
	return out
}

func (f *firewall) view(c *Cloud) obj {
	applied := []obj{}
	for _, id := range f.servers {
		applied = append(applied, obj{"type": "server", "server": obj{"id": id}})
	}
	for _, s := range f.selectors {
		members := []obj{}
		for _, id := range f.selected(c, s) {
			members = append(members, obj{"type": "server", "server": obj{"id": id}})
		}
		applied = append(applied, obj{"type": "label_selector", "label_selector": obj{"selector": s}, "applied_to_resources": members})
	}
	rules := []obj{}
	for _, r := range f.rules {
		rules = append(rules, obj{
			"direction": r.Direction, "protocol": r.Protocol, "port": r.Port, "description": r.Description,
			"source_ips": append([]string{}, r.Sources...), "destination_ips": append([]string{}, r.Destinations...),
		})
	}
	return obj{"id": f.ID, "name": f.Name, "labels": f.Labels, "created": f.Created, "rules": rules, "applied_to": applied}
}

func checkRules(rules []firewallRule) error {
	if len(rules) > 50 {
		return invalid("rules", "at most 50")
	}
	for _, r := range rules {
		ips := r.Sources
		switch r.Direction {
		case "in":
		case "out":
			ips = r.Destinations
		default:
			return invalid("rules", "direction must be in or out")
		}
		if len(ips) == 0 {
			return invalid("rules", "a rule needs addresses")
		}
		for _, ip := range ips {
			if p, err := netip.ParsePrefix(ip); err != nil || p != p.Masked() {
				return invalid("rules", "%q is not a network", ip)
			}
		}
		port := r.Protocol == "tcp" || r.Protocol == "udp"
		if port != (r.Port != nil && *r.Port != "") {
			return invalid("rules", "tcp and udp have a port, others have none")
		}
	}
	return nil
}

func (c *Cloud) createFirewall(r *call) (reply, error) {
	var in struct {
		Name    string            `json:"name"`
		Labels  map[string]string `json:"labels"`
		Rules   []firewallRule    `json:"rules"`
		ApplyTo []firewallTarget  `json:"apply_to"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if err := checkRules(in.Rules); err != nil {
		return reply{}, err
	}
	if err := c.checkTargets(in.ApplyTo); err != nil {
		return reply{}, err
	}
	if len(c.firewalls.rows) >= c.opt.Limits.Firewalls {
		return reply{}, limited("firewall")
	}
	f := &firewall{rules: in.Rules}
	if err := put(c, c.firewalls, f, in.Name, in.Labels); err != nil {
		return reply{}, err
	}
	actions := []*action{c.start(r, "set_firewall_rules", c.opt.Timing.Attach, nil, target{"firewall", f.ID})}
	actions = append(actions, c.applyFirewall(r, f, in.ApplyTo)...)
	return reply{status: http.StatusCreated, body: obj{"firewall": f.view(c), "actions": c.viewActions(actions)}}, nil
}

func (c *Cloud) checkTargets(list []firewallTarget) error {
	for _, t := range list {
		switch {
		case t.Type == "server" && t.Server != nil:
			if _, err := c.servers.get(t.Server.ID); err != nil {
				return refuse(http.StatusNotFound, "firewall_resource_not_found", "server %d not found", t.Server.ID)
			}
		case t.Type == "label_selector" && t.Selector != nil:
			if _, err := selects(t.Selector.Selector, nil); err != nil {
				return err
			}
		default:
			return invalid("apply_to", "%q is not a resource", t.Type)
		}
	}
	return nil
}

func (c *Cloud) applyFirewall(r *call, f *firewall, list []firewallTarget) []*action {
	var out []*action
	for _, t := range list {
		about := []target{{"firewall", f.ID}}
		if t.Server != nil {
			f.add(t.Server.ID)
			about = append(about, target{"server", t.Server.ID})
		} else if !slices.Contains(f.selectors, t.Selector.Selector) {
			f.selectors = append(f.selectors, t.Selector.Selector)
		}
		out = append(out, c.start(r, "apply_firewall", c.opt.Timing.Attach, nil, about...))
	}
	return out
}

// onFirewall wraps what is done to a firewall and ends in actions.
func (c *Cloud) onFirewall(do func(*call, *firewall) ([]*action, error)) work {
	return func(r *call) (reply, error) {
		f, err := c.firewalls.get(r.id)
		if err != nil {
			return reply{}, err
		}
		actions, err := do(r, f)
		return reply{status: http.StatusCreated, body: obj{"actions": c.viewActions(actions)}}, err
	}
}

func (c *Cloud) setRules(r *call, f *firewall) ([]*action, error) {
	var in struct {
		Rules []firewallRule `json:"rules"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if err := checkRules(in.Rules); err != nil {
		return nil, err
	}
	f.rules = in.Rules
	return []*action{c.start(r, "set_firewall_rules", c.opt.Timing.Attach, nil, target{"firewall", f.ID})}, nil
}

func (c *Cloud) apply(r *call, f *firewall) ([]*action, error) {
	var in struct {
		ApplyTo []firewallTarget `json:"apply_to"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if err := c.checkTargets(in.ApplyTo); err != nil {
		return nil, err
	}
	for _, t := range in.ApplyTo {
		if t.Server != nil && slices.Contains(f.servers, t.Server.ID) {
			return nil, refuse(http.StatusConflict, "firewall_already_applied", "the firewall is applied to server %d", t.Server.ID)
		}
	}
	return c.applyFirewall(r, f, in.ApplyTo), nil
}

func (c *Cloud) unapply(r *call, f *firewall) ([]*action, error) {
	var in struct {
		From []firewallTarget `json:"remove_from"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	var out []*action
	for _, t := range in.From {
		switch {
		case t.Server != nil:
			f.servers = slices.DeleteFunc(f.servers, func(id int64) bool { return id == t.Server.ID })
		case t.Selector != nil:
			f.selectors = slices.DeleteFunc(f.selectors, func(s string) bool { return s == t.Selector.Selector })
		}
		out = append(out, c.start(r, "remove_firewall", c.opt.Timing.Attach, nil, target{"firewall", f.ID}))
	}
	return out, nil
}

// firewallFree refuses to delete a firewall that is applied to something.
func (c *Cloud) firewallFree(f *firewall) error {
	if len(f.servers)+len(f.selectors) > 0 {
		return refuse(http.StatusConflict, "resource_in_use", "the firewall is in use")
	}
	return nil
}
