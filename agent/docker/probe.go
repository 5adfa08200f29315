package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"

	"github.com/payperplay/payperplay/protocol"
)

// LabelProbe marks what Probe makes. It is not a server's: no list of servers' containers or bridges shows it.
const LabelProbe = "payperplay.probe"

// `agent probe` ends with 0 when nothing answers, or with ProbeOpen and a bit for each of its addresses that does.
const (
	ProbeOpen = 64
	ProbeMost = 5 // addresses
)

const (
	probeImage  = "payperplay/probe"
	probeMemory = 64 << 20
	probePort   = 22 // any would do: a machine that can be reached refuses where nobody listens
	probeTime   = 30 * time.Second
	probeOld    = 24 * time.Hour // images of other programs go after this; another agent on this engine may be about to use a newer one
)

// Probe runs this very program (or Options.Program) as a server's container is run: same profile, on a bridge of its
// own on the given network. It gives those of the targets that answer there, and the machine itself by the bridge's gateway if that does.
// Container and bridge go away again; the image stays for the next time. One at a time.
func (c *Client) Probe(ctx context.Context, subnet netip.Prefix, targets []string) (open []string, err error) {
	program := c.program
	if program == "" {
		if program, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	all := append(slices.Clone(targets), netip.AddrPortFrom(subnet.Addr().Next(), probePort).String())
	if len(all) > ProbeMost {
		return nil, fmt.Errorf("docker: a probe takes %d targets", ProbeMost-1)
	}
	code, err := c.try(ctx, program, subnet, append([]string{"probe"}, all...))
	switch {
	case err != nil:
		return nil, err
	case code == 0:
		return nil, nil
	case code&^(1<<len(all)-1) != ProbeOpen:
		return nil, protocol.Faultf(protocol.Internal, "see that the agent is a static program: CGO_ENABLED=0 go build", "the probe ended with %d in its container", code)
	}
	for i, addr := range all {
		if code&(1<<i) != 0 {
			open = append(open, addr)
		}
	}
	return open, nil
}

// try gives the exit code of a program in such a container.
func (c *Client) try(ctx context.Context, program string, subnet netip.Prefix, args []string) (code int, err error) {
	ref, err := c.programImage(ctx, program)
	if err != nil {
		return 0, err
	}
	if err := c.clearProbe(ctx); err != nil { // of an agent that was killed
		return 0, err
	}
	defer func() {
		clear, cancel := context.WithTimeout(context.WithoutCancel(ctx), slow)
		defer cancel()
		err = errors.Join(err, c.clearProbe(clear))
	}()
	if err := c.bridgeOfProbe(ctx, subnet); err != nil {
		return 0, err
	}
	return c.runProbe(ctx, ref, args)
}

func (c *Client) bridgeOfProbe(ctx context.Context, subnet netip.Prefix) error {
	ctx, cancel, err := c.begin(ctx, slow, "making the probe's bridge")
	if err != nil {
		return err
	}
	defer cancel()
	return c.makeBridge(ctx, c.probeName(), c.bridgeName(c.probeName()), subnet, LabelProbe, "1")
}

func (c *Client) runProbe(ctx context.Context, ref string, args []string) (int, error) {
	ctx, cancel, err := c.begin(ctx, probeTime, "running the probe")
	if err != nil {
		return 0, err
	}
	defer cancel()
	cfg, host := c.probeConfig(ref, args)
	made, err := c.api.ContainerCreate(ctx, cfg, host, &network.NetworkingConfig{}, nil, c.probeName())
	if err != nil {
		return 0, c.explain(err, "making the probe's container")
	}
	ended, failed := c.api.ContainerWait(ctx, made.ID, container.WaitConditionNextExit)
	if err := c.api.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return 0, c.explain(err, "starting the probe's container")
	}
	select {
	case end := <-ended:
		return int(end.StatusCode), nil
	case err := <-failed:
		return 0, c.explain(err, "running the probe")
	}
}

// probeName has a dot, which no server's id can have.
func (c *Client) probeName() string { return "ppp-" + c.tag + ".probe" }

func (c *Client) probeConfig(ref string, args []string) (*container.Config, *container.HostConfig) {
	cfg := &container.Config{
		Image: ref, Entrypoint: []string{"/agent"}, Cmd: args, User: defaultUser,
		Labels: map[string]string{LabelCluster: c.labels[LabelCluster], LabelNode: c.labels[LabelNode], LabelProbe: "1"},
	}
	host := c.tenant(probeMemory, 1000, defaultPids)
	host.NetworkMode, host.ReadonlyRootfs = container.NetworkMode(c.probeName()), true
	return cfg, host
}

func (c *Client) clearProbe(ctx context.Context) error {
	ctx, cancel, err := c.begin(ctx, slow, "removing the probe")
	if err != nil {
		return err
	}
	defer cancel()
	if err := c.api.ContainerRemove(ctx, c.probeName(), container.RemoveOptions{RemoveVolumes: true, Force: true}); err != nil && !IsGone(err) {
		return c.explain(err, "removing the probe's container")
	}
	if err := c.api.NetworkRemove(ctx, c.probeName()); err != nil && !IsGone(err) {
		return c.explain(err, "removing the probe's bridge")
	}
	return nil
}

// programImage gives the image that holds the program and nothing else, and makes it the first time. No registry is asked.
func (c *Client) programImage(ctx context.Context, program string) (string, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	tag := hex.EncodeToString(sum[:])[:16]
	ref := probeImage + ":" + tag
	if has, err := c.HasImage(ctx, ref); has || err != nil {
		return ref, err
	}
	ctx, cancel, err := c.begin(ctx, slow, "making the probe's image")
	if err != nil {
		return "", err
	}
	defer cancel()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	err = w.WriteHeader(&tar.Header{Name: "agent", Mode: 0o755, Size: int64(len(text)), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = w.Write(text)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return "", err
	}
	body, err := c.api.ImageImport(ctx, image.ImportSource{Source: &layer, SourceName: "-"}, probeImage,
		image.ImportOptions{Tag: tag, Message: "the agent itself, to see what a game could reach", Changes: []string{"LABEL " + LabelProbe + "=1"}})
	if err == nil {
		err = imported(body)
	}
	if err != nil {
		return "", c.explain(err, "making the probe's image")
	}
	c.dropProbeImages(ctx, ref)
	return ref, nil
}

// imported reads the engine's progress to its end.
func imported(body io.ReadCloser) error {
	defer func() { _ = body.Close() }()
	for d := json.NewDecoder(body); ; {
		var m pullMessage
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != "":
			return fmt.Errorf("the engine says: %s", m.Error)
		}
	}
}

// dropProbeImages removes those of programs that this machine has no more. What cannot be removed now is the next one's to remove.
func (c *Client) dropProbeImages(ctx context.Context, keep string) {
	list, err := c.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", probeImage))})
	if err != nil {
		c.log.Debug("old images of the probe stay", "err", err)
		return
	}
	for _, one := range list {
		for _, ref := range one.RepoTags {
			if ref == keep || time.Since(time.Unix(one.Created, 0)) < probeOld {
				continue
			}
			if _, err := c.api.ImageRemove(ctx, ref, image.RemoveOptions{}); err != nil {
				c.log.Debug("an old image of the probe stays", "image", ref, "err", err)
			}
		}
	}
}
