package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/payperplay/payperplay/protocol"
)

// pullIdle is how long a pull may say nothing.
const pullIdle = 2 * time.Minute

// EnsureImage makes sure that the image is on the node. progress is told now and then how far a pull is; pulled says whether there was one.
// Where it cannot be had the fault names the image, the node and the way out.
func (c *Client) EnsureImage(ctx context.Context, ref, hint string, progress func(string)) (pulled bool, err error) {
	if has, err := c.HasImage(ctx, ref); has || err != nil {
		return false, err
	}
	progress("pulling image " + ref)
	if err := c.pull(ctx, ref, progress); err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, c.missing(ref, hint, err)
	}
	return true, nil
}

// HasImage tells whether the image is on the node.
func (c *Client) HasImage(ctx context.Context, ref string) (bool, error) {
	ctx, cancel, err := c.begin(ctx, quick, "looking for image "+ref)
	if err != nil {
		return false, err
	}
	defer cancel()
	_, err = c.api.ImageInspect(ctx, ref)
	if IsGone(err) {
		return false, nil
	}
	return err == nil, c.explain(err, "looking for image "+ref)
}

func (c *Client) missing(ref, hint string, why error) error {
	next := "build the image elsewhere and bring it to the node: docker save " + ref + " | ssh NODE docker load"
	if hint != "" {
		next = hint
	}
	return protocol.Faultf(protocol.NotFound, next, "image %s is not on node %s and no registry gave it: %s", ref, c.name, firstLine(why))
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "Error response from daemon: "), "\n")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return text
}

type pullMessage struct {
	ID             string `json:"id"`
	Status         string `json:"status"`
	Error          string `json:"error"`
	ProgressDetail struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
}

// pull reads the engine's progress; a pull that falls silent is given up.
func (c *Client) pull(ctx context.Context, ref string, progress func(string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := errors.New("the registry went silent")
	idle := time.AfterFunc(pullIdle, func() { cancel(silence) })
	defer idle.Stop()
	body, err := c.api.ImagePull(ctx, ref, image.PullOptions{})
	if err != nil {
		return cause(ctx, err)
	}
	defer func() { _ = body.Close() }()
	layers := map[string]pullMessage{}
	said := time.Time{}
	for d := json.NewDecoder(body); ; {
		var m pullMessage
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return cause(ctx, err)
		case m.Error != "":
			return errors.New(m.Error)
		}
		idle.Reset(pullIdle)
		if m.ProgressDetail.Total > 0 {
			layers[m.ID+m.Status] = m
		}
		if time.Since(said) > time.Second {
			said = time.Now()
			progress(fmt.Sprintf("pulling image %s: %s", ref, share(layers)))
		}
	}
}

func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// share sums what has been downloaded and unpacked of the layers that are known so far.
func share(layers map[string]pullMessage) string {
	var done, all int64
	for _, m := range layers {
		done += m.ProgressDetail.Current
		all += m.ProgressDetail.Total
	}
	if all == 0 {
		return "preparing"
	}
	return fmt.Sprintf("%d %%", done*100/all)
}
