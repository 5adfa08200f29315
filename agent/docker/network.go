package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/docker/docker/api/types/network"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// BridgePrefix begins the names of all bridges of a node, for firewall rules: "pb" and the node's tag. An interface name has 15 bytes.
func BridgePrefix(tag string) string { return "pb" + tag }

func (c *Client) bridgeName(server string) string {
	sum := sha256.Sum256([]byte(server))
	return BridgePrefix(c.tag) + hex.EncodeToString(sum[:])[:8]
}

func (c *Client) networkName(server string) string { return "ppp-" + c.tag + "-" + server }

// Tag gives the short name of this node's objects.
func (c *Client) Tag() string { return c.tag }

// EnsureNetwork makes the server's bridge on the given network, or finds it.
func (c *Client) EnsureNetwork(ctx context.Context, server string, subnet netip.Prefix) error {
	ctx, cancel, err := c.begin(ctx, slow, "looking for the server's bridge")
	if err != nil {
		return err
	}
	defer cancel()
	name := c.networkName(server)
	have, err := c.api.NetworkInspect(ctx, name, network.InspectOptions{})
	switch {
	case err == nil && len(have.IPAM.Config) == 1 && have.IPAM.Config[0].Subnet == subnet.String():
		return nil
	case err == nil:
		if err := c.api.NetworkRemove(ctx, have.ID); err != nil && !IsGone(err) {
			return c.explain(err, "removing an outdated bridge")
		}
	case !IsGone(err):
		return c.explain(err, "looking for the server's bridge")
	}
	if err := failpoint.Hit("docker.network.before"); err != nil {
		return err
	}
	if err := c.makeBridge(ctx, name, c.bridgeName(server), subnet, LabelServer, server); err != nil {
		return err
	}
	return failpoint.Hit("docker.network.after")
}

// makeBridge makes a bridge with a label beside those that all our objects have.
func (c *Client) makeBridge(ctx context.Context, name, device string, subnet netip.Prefix, label, value string) error {
	_, err := c.api.NetworkCreate(ctx, name, network.CreateOptions{
		Driver: "bridge",
		IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String(), Gateway: subnet.Addr().Next().String()}}},
		Options: map[string]string{
			"com.docker.network.bridge.name":       device,
			"com.docker.network.bridge.enable_icc": "false",
		},
		Labels: map[string]string{LabelCluster: c.labels[LabelCluster], LabelNode: c.labels[LabelNode], label: value},
	})
	if err != nil && strings.Contains(err.Error(), "overlap") {
		return protocol.Faultf(protocol.Conflict, "give the agent another --bridge-pool", "the bridge %s overlaps a network of something else on the node", subnet)
	}
	return c.explain(err, "making a bridge")
}

// RemoveNetwork removes the server's bridge; one that is not there is fine.
func (c *Client) RemoveNetwork(ctx context.Context, server string) error {
	ctx, cancel, err := c.begin(ctx, slow, "removing the server's bridge")
	if err != nil {
		return err
	}
	defer cancel()
	if err := failpoint.Hit("docker.unbridge.before"); err != nil {
		return err
	}
	if err := c.api.NetworkRemove(ctx, c.networkName(server)); err != nil && !IsGone(err) {
		return c.explain(err, "removing the server's bridge")
	}
	return failpoint.Hit("docker.unbridge.after")
}

// Networks lists the servers that have a bridge on this node.
func (c *Client) Networks(ctx context.Context) ([]string, error) {
	ctx, cancel, err := c.begin(ctx, quick, "listing bridges")
	if err != nil {
		return nil, err
	}
	defer cancel()
	list, err := c.api.NetworkList(ctx, network.ListOptions{Filters: c.mine("")})
	if err != nil {
		return nil, c.explain(err, "listing bridges")
	}
	var out []string
	for _, n := range list {
		if n.Labels[LabelProbe] == "" {
			out = append(out, n.Labels[LabelServer])
		}
	}
	return out, nil
}
