package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

func newCloudImage(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "image", Aliases: []string{"images"}, Short: "Images that machines boot from quickly, with Docker, agent and games inside"}
	cmd.AddCommand(newImageBuild(c), newImageList(c), newImageDelete(c))
	return cmd
}

func imageTable(list []client.Image) table {
	t := table{header: []string{"ID", "PHASE", "ARCH", "MADE WITH", "DISK", "AGE", "WHAT"}}
	for _, i := range list {
		what := i.Explain
		if i.Use != "" {
			what = "use it with " + i.Use
		}
		if i.Problem != nil {
			what = i.Problem.Detail
		}
		t.rows = append(t.rows, []string{i.ID, i.Phase, i.Arch, i.Type + " " + i.Location, protocol.FormatSize(i.DiskBytes), span(time.Since(i.Requested)), what})
	}
	return t
}

func newImageList(c *cli) *cobra.Command {
	all := false
	cmd := listCommand(c, "List the images, and how to use them", func(cl *client.Client, ctx context.Context) ([]client.Image, error) { return cl.Images(ctx, all) }, imageTable)
	cmd.Flags().BoolVar(&all, "all", false, "also those that were deleted lately")
	return cmd
}

func newImageBuild(c *cli) *cobra.Command {
	var how client.BuildImage
	w := waitFlags{}
	cmd := &cobra.Command{
		Use: "build", Short: "Make an image: a machine is rented for some minutes, and deleted when it is done", Args: cobra.NoArgs,
		Example: "  controller cloud image build --arch arm64 --game-image itzg/minecraft-server:java21 --wait",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			i, err := cl.BuildImage(cmd.Context(), how)
			if err == nil && w.wait {
				i, err = c.waitForImage(cmd.Context(), cl, i, w.timeout)
			}
			if err != nil {
				return err
			}
			return c.print(i, func() table { return imageTable([]client.Image{i}) })
		},
	}
	cmd.Flags().StringVar(&how.Type, "type", "", "type of the machine that it is made with; machines that boot from it need as much disk (default: the one with the smallest)")
	cmd.Flags().StringVar(&how.Location, "location", "", "where it is made (default: where it is cheapest)")
	cmd.Flags().StringVar(&how.Arch, "arch", "", "amd64 or arm64 (default amd64)")
	cmd.Flags().StringArrayVar(&how.Games, "game-image", nil, "container image to pull into it; may be repeated")
	w.register(cmd)
	cmd.Flags().Lookup("timeout").DefValue, w.timeout = "1h0m0s", time.Hour
	return cmd
}

// waitForImage polls until the image is ready; a controller that is away for a while does not end the wait.
func (c *cli) waitForImage(ctx context.Context, cl *client.Client, i client.Image, timeout time.Duration) (client.Image, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := c.newProgress()
	defer p.end()
	for {
		switch {
		case i.Phase == "ready":
			return i, nil
		case i.Phase == "failed" && i.Problem != nil:
			return i, protocol.Faultf(protocol.Unavailable, i.Problem.Next, "image %s was not made: %s", i.ID, i.Problem.Detail)
		case i.Phase == "failed", i.Phase == "deleting", i.Phase == "deleted":
			return i, protocol.Faultf(protocol.Conflict, "build again when it is wanted", "image %s is %s", i.ID, i.Phase)
		}
		p.show(i.Phase + ": " + i.Explain)
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return i, protocol.Faultf(protocol.Timeout, "it is made all the same; look again with 'controller cloud image list'", "image %s is still %s after %s", i.ID, i.Phase, timeout)
			}
			return i, ctx.Err()
		case <-time.After(time.Second):
		}
		next, err := cl.Image(ctx, i.ID)
		if err == nil {
			i = next
		} else if protocol.CodeOf(err) != protocol.Unavailable && ctx.Err() == nil {
			return i, err
		}
	}
}

func newImageDelete(c *cli) *cobra.Command {
	fetch := func(cl *client.Client, ctx context.Context) ([]client.Image, error) { return cl.Images(ctx, false) }
	return &cobra.Command{
		Use: "delete ID", Aliases: []string{"rm"}, Short: "Delete an image, or end its making", Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return complete(c, cmd, args, fetch, func(i client.Image) string { return i.ID + "\t" + i.Phase })
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			i, err := cl.DeleteImage(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(i, func() table { return imageTable([]client.Image{i}) })
		},
	}
}

func newCloudPrice(c *cli) *cobra.Command {
	location := ""
	cmd := &cobra.Command{
		Use: "price", Aliases: []string{"prices"}, Short: "What can be rented, where, and what it costs now (net of VAT)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			all, err := cl.Prices(cmd.Context(), location)
			if err != nil {
				return err
			}
			return c.print(all, func() table { return priceTable(all) })
		},
	}
	cmd.Flags().StringVar(&location, "location", "", "only there, like nbg1")
	return cmd
}

func priceTable(list []client.Price) table {
	t := table{header: []string{"TYPE", "ARCH", "CORES", "MEMORY", "DISK", "LOCATION", "PRICE", "MONTH AT MOST", "STOCK"}}
	for _, p := range list {
		cores, month, stock := strconv.Itoa(p.CPUs), "-", "yes"
		if p.Dedicated {
			cores += " dedicated"
		}
		if p.MonthlyMicroEUR > 0 {
			month = fleet.MicroEuro(p.MonthlyMicroEUR).String()
		}
		if !p.InStock {
			stock = "no"
		}
		if p.Retired {
			stock = "retired"
		}
		t.rows = append(t.rows, []string{p.Type, p.Arch, cores, protocol.FormatSize(p.MemoryBytes), protocol.FormatSize(p.DiskBytes), p.Location, perHour(p.HourlyMicroEUR), month, stock})
	}
	return t
}
