package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
)

type eventFlags struct {
	q            client.EventsQuery
	since, until string
}

func (e *eventFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.q.Type, "type", "", "only this type, or a family as 'server.*'")
	f.StringVar(&e.q.Server, "server", "", "only of this server")
	f.StringVar(&e.q.Node, "node", "", "only of this node")
}

// when reads a moment: RFC 3339, or how long ago ("90m").
func when(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usagef("write it as 2026-11-21T18:00:00Z, or as 90m for 90 minutes ago", "--%s: %q is not a time", name, text)
	}
	return t, nil
}

// eventRow shows an event on one line; what does not fit is there with -o json.
func eventRow(e client.Event) []string {
	const most = 100 // characters of data
	data := ""
	if len(e.Data) > 0 {
		if b, err := json.Marshal(e.Data); err == nil {
			data = string(b)
		}
	}
	if r := []rune(data); len(r) > most {
		data = string(r[:most]) + "…"
	}
	return []string{strconv.FormatInt(e.Seq, 10), e.At.Local().Format("2006-01-02 15:04:05"), e.Type, dash(e.Server), dash(e.Node), dash(e.Actor), data}
}

func newEvent(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "event", Aliases: []string{"events"}, Short: "The durable log of everything that happened"}
	cmd.AddCommand(newEventList(c), newEventFollow(c))
	return cmd
}

func newEventList(c *cli) *cobra.Command {
	var e eventFlags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List events, the newest last",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if e.q.Since, err = when("since", e.since, time.Now()); err != nil {
				return err
			}
			if e.q.Until, err = when("until", e.until, time.Now()); err != nil {
				return err
			}
			e.q.Newest = true
			cl, err := c.client()
			if err != nil {
				return err
			}
			page, err := cl.Events(cmd.Context(), e.q)
			if err != nil {
				return err
			}
			return c.print(page.Items, func() table {
				t := table{header: []string{"SEQ", "TIME", "TYPE", "SERVER", "NODE", "BY", "DATA"}}
				for _, ev := range page.Items {
					t.rows = append(t.rows, eventRow(ev))
				}
				return t
			})
		},
	}
	e.register(cmd)
	cmd.Flags().StringVar(&e.since, "since", "", "from this time on (RFC 3339, or 90m for 90 minutes ago)")
	cmd.Flags().StringVar(&e.until, "until", "", "up to this time")
	cmd.Flags().IntVar(&e.q.Limit, "limit", 100, "at most so many")
	return cmd
}

func newEventFollow(c *cli) *cobra.Command {
	var e eventFlags
	cmd := &cobra.Command{
		Use: "follow", Short: "Print events as they happen, one a line; survives a restart of the controller",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			return cl.FollowEvents(cmd.Context(), e.q, func(err error) { c.info("(%v; trying again)", err) }, func(ev client.Event) error {
				if c.output == "table" {
					r := eventRow(ev)
					_, err := fmt.Fprintf(c.out, "%s  %s  %s  server=%s node=%s by=%s %s\n", r[0], r[1], r[2], plain(r[3]), plain(r[4]), plain(r[5]), plain(r[6]))
					return err
				}
				return c.printLine(ev)
			})
		},
	}
	e.register(cmd)
	cmd.Flags().Int64Var(&e.q.After, "after", 0, "start after this sequence number (default: only new events)")
	return cmd
}
