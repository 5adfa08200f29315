package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

// Cleanup removes what an agent left on the machine outside its data directory: containers (games are ended), bridges and firewall chains.
// The files of servers stay. It gives the count of Docker objects that went.
func Cleanup(ctx context.Context, data, dockerHost string, log *slog.Logger) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "identity.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // never enrolled: nothing was made
	}
	var who struct{ Node, Cluster string }
	if err == nil {
		err = json.Unmarshal(text, &who)
	}
	if err != nil || who.Node == "" || who.Cluster == "" {
		return 0, protocol.Faultf(protocol.Invalid, "check --data; by hand: docker ps --filter label=payperplay.node", "cannot read the node's identity in %s: %v", data, err)
	}
	// The journal's lock tells whether the agent still runs.
	j, err := state.Open(state.Options{Dir: data, Boot: "cleanup", BridgePool: netip.MustParsePrefix(DefaultBridgePool), Logger: log})
	if err == nil {
		err = j.Close()
	} else if protocol.CodeOf(err) != protocol.Conflict {
		log.Warn("the journal cannot be opened, cleaning up all the same", "err", err)
		err = nil
	}
	if err != nil {
		return 0, err
	}
	engine, err := docker.New(docker.Options{Host: dockerHost, Cluster: who.Cluster, Node: who.Node, Logger: log})
	if err != nil {
		return 0, err
	}
	defer func() { _ = engine.Close() }()
	n, err := engine.Purge(ctx)
	tag := engine.Tag()
	return n, errors.Join(err, host.NewFirewall(tag, docker.BridgePrefix(tag), log).Remove(ctx))
}
