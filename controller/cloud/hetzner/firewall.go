package hetzner

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// prepareFirewall lets players in and nobody else. A firewall that says anything different is set right.
func (d *Driver) prepareFirewall(ctx context.Context, w cloud.Want) (string, error) {
	const doing = "prepare the firewall"
	rules := playersOnly(w)
	c := changing("create_firewall", doing)
	f, err := ensure(doing,
		func() (*hcloud.Firewall, error) { return d.findFirewall(ctx, doing) },
		func() (*hcloud.Firewall, error) {
			made, err := ask(ctx, d, c, func(ctx context.Context) (hcloud.FirewallCreateResult, *hcloud.Response, error) {
				return d.client.Firewall.Create(ctx, hcloud.FirewallCreateOpts{Name: d.fixture("firewall"), Labels: d.labels(nil, cloud.RoleFixture), Rules: rules})
			})
			if err != nil {
				return nil, err
			}
			return made.Firewall, d.awaitAll(ctx, c, made.Actions)
		})
	if err != nil {
		return "", err
	}
	if sameRules(f.Rules, rules) {
		return text(f.ID), nil
	}
	d.log.WarnContext(ctx, "the firewall's rules were changed by somebody, or the players' ports are others now; they are set right", "firewall", f.Name)
	c = changing("set_firewall_rules", doing)
	actions, err := ask(ctx, d, c, func(ctx context.Context) ([]*hcloud.Action, *hcloud.Response, error) {
		return d.client.Firewall.SetRules(ctx, f, hcloud.FirewallSetRulesOpts{Rules: rules})
	})
	if err != nil {
		return "", err
	}
	return text(f.ID), d.awaitAll(ctx, c, actions)
}

func (d *Driver) findFirewall(ctx context.Context, doing string) (*hcloud.Firewall, error) {
	name := d.fixture("firewall")
	list, err := all(ctx, d, before("find_firewall", doing), hcloud.ListOpts{}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Firewall, *hcloud.Response, error) {
		return d.client.Firewall.List(ctx, hcloud.FirewallListOpts{ListOpts: o, Name: name})
	})
	if err != nil {
		return nil, err
	}
	return named(d, doing, name, list, func(f *hcloud.Firewall) (string, map[string]string) { return f.Name, f.Labels })
}

// playersOnly is all that may come in. Without ports nothing may. What goes out is free.
func playersOnly(w cloud.Want) []hcloud.FirewallRule {
	rules := []hcloud.FirewallRule{} // nil would be sent as null, which is none
	if w.PortTo == 0 {
		return rules
	}
	port := strconv.Itoa(w.PortFrom)
	if w.PortTo > w.PortFrom {
		port += "-" + strconv.Itoa(w.PortTo)
	}
	anybody := []net.IPNet{*ipNet(netip.MustParsePrefix("0.0.0.0/0")), *ipNet(netip.MustParsePrefix("::/0"))}
	for _, p := range []hcloud.FirewallRuleProtocol{hcloud.FirewallRuleProtocolTCP, hcloud.FirewallRuleProtocolUDP} {
		rules = append(rules, hcloud.FirewallRule{Direction: hcloud.FirewallRuleDirectionIn, SourceIPs: anybody, Protocol: p, Port: &port, Description: new("players")})
	}
	return rules
}

func sameRules(a, b []hcloud.FirewallRule) bool {
	return slices.Equal(told(a), told(b))
}

// told puts rules into words that can be compared, whatever their order.
func told(rules []hcloud.FirewallRule) []string {
	var out []string
	for _, r := range rules {
		line := string(r.Direction) + " " + string(r.Protocol)
		if r.Port != nil {
			line += " " + *r.Port
		}
		var ips []string
		for _, ip := range slices.Concat(r.SourceIPs, r.DestinationIPs) {
			ips = append(ips, ip.String())
		}
		slices.Sort(ips)
		out = append(out, line+" "+strings.Join(ips, " "))
	}
	slices.Sort(out)
	return out
}
