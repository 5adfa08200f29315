package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
)

// logLine is one line of "logs -o json".
type logLine struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	Text string    `json:"text"`
	Kind string    `json:"kind,omitempty"`
}

func (c *cli) writeLines(lines []client.Line, times bool) error {
	for _, l := range lines {
		if c.output != "table" {
			if err := c.printLine(logLine(l)); err != nil {
				return err
			}
			continue
		}
		text := l.Text
		if isTerminal(c.out) {
			text = plain(stripEscapes(text))
		}
		switch l.Kind {
		case "gap":
			text = "--- " + text + " ---"
		case "system":
			text = "* " + text
		}
		if times {
			text = l.Time.Local().Format("2006-01-02 15:04:05.000 ") + text
		}
		if _, err := fmt.Fprintln(c.out, text); err != nil {
			return err
		}
	}
	return nil
}

// stripEscapes drops ANSI sequences: a game's output must not move the reader's cursor or set the terminal's title.
func stripEscapes(s string) string {
	if !strings.Contains(s, "\x1b") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != 0x1b {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '[' {
			i += 2
			for i < len(s) && (s[i] < 0x40 || s[i] > 0x7e) {
				i++
			}
		}
	}
	return b.String()
}

func newServerLogs(c *cli) *cobra.Command {
	var (
		tail          int
		since         string
		follow, times bool
		search, file  string
	)
	cmd := &cobra.Command{
		Use: "logs NAME", Short: "Show, follow, search or download the console's history", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeServers,
		Example: "  controller server logs friends --tail 50 --follow\n  controller server logs friends --search 'lost connection'\n  controller server logs friends --download friends.log",
		RunE: func(cmd *cobra.Command, args []string) error {
			q := client.LogsQuery{Tail: tail, Search: search, Limit: 10000}
			if since != "" {
				n, err := strconv.ParseInt(since, 10, 64)
				if err != nil || n < 0 {
					return usagef("give the seq of the last line you have", "--since %q is not a sequence number", since)
				}
				q.From, q.Tail = n+1, 0
			} else if tail <= 0 {
				return usagef("write it as --tail 100", "--tail must be 1 or more")
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			switch {
			case file != "":
				return c.downloadLogs(cmd.Context(), cl, args[0], file)
			case follow && search != "":
				return usagef("leave one of them out", "--follow and --search do not go together")
			case follow:
				after := int64(-tail)
				if since != "" {
					after = q.From - 1
				}
				return c.followLogs(cmd.Context(), cl, args[0], after, times)
			}
			return c.readLogs(cmd.Context(), cl, args[0], q, times)
		},
	}
	f := cmd.Flags()
	f.IntVar(&tail, "tail", 100, "the last N lines")
	f.StringVar(&since, "since", "", "the lines after this sequence number")
	f.BoolVarP(&follow, "follow", "f", false, "go on with new lines; survives a restart of the controller")
	f.BoolVarP(&times, "timestamps", "t", false, "show the time of each line")
	f.StringVar(&search, "search", "", "only lines that contain this text")
	f.StringVar(&file, "download", "", "write the whole history to this file")
	return cmd
}

func (c *cli) readLogs(ctx context.Context, cl *client.Client, name string, q client.LogsQuery, times bool) error {
	for {
		page, err := cl.Logs(ctx, name, q)
		if err != nil {
			return err
		}
		if err := c.writeLines(page.Lines, times); err != nil {
			return err
		}
		if q.Tail > 0 || !page.More || len(page.Lines) == 0 {
			return nil
		}
		q.From = page.Lines[len(page.Lines)-1].Seq + 1
	}
}

func (c *cli) followLogs(ctx context.Context, cl *client.Client, name string, after int64, times bool) error {
	return cl.Follow(ctx, name, client.FollowOptions{After: after, Lost: func(err error) { c.info("(%v; trying again)", err) }}, func(m client.ConsoleMessage) error {
		switch m.Type {
		case "lines":
			return c.writeLines(m.Lines, times)
		case "notice":
			c.info("(%s)", plain(m.Text))
		}
		return nil
	})
}

func (c *cli) downloadLogs(ctx context.Context, cl *client.Client, name, file string) error {
	if file == "-" {
		_, err := cl.DownloadLogs(ctx, name, c.out)
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	n, err := cl.DownloadLogs(ctx, name, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	c.info("%d bytes written to %s", n, file)
	return nil
}

func newServerExec(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "exec NAME -- COMMAND…", Short: "Run one console command and print what the game answers", Args: cobra.MinimumNArgs(2), ValidArgsFunction: c.completeServers,
		Example: "  controller server exec friends -- say Dinner is ready",
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			r, err := cl.Command(cmd.Context(), args[0], strings.Join(args[1:], " "))
			if err != nil {
				return err
			}
			if c.output != "table" {
				return c.print(r, nil)
			}
			if r.Output != "" {
				fmt.Fprintln(c.out, strings.TrimRight(stripEscapes(r.Output), "\n"))
			} else if r.Via == "stdin" {
				c.info("sent; the answer is in the console: controller server logs %s --tail 5", args[0])
			}
			return nil
		},
	}
}

func newServerConsole(c *cli) *cobra.Command {
	var tail int
	cmd := &cobra.Command{
		Use: "console NAME", Short: "Watch the console and type commands (end with Ctrl-D or Ctrl-C)", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			var conn atomic.Pointer[client.Console]
			go c.typeCommands(ctx, cancel, &conn)
			err = cl.Follow(ctx, args[0], client.FollowOptions{
				After:     int64(-tail),
				Connected: func(s *client.Console) { conn.Store(s) },
				Lost:      func(err error) { conn.Store(nil); c.info("(%v; trying again)", err) },
			}, c.consoleMessage)
			if errors.Is(err, context.Canceled) && cmd.Context().Err() == nil {
				return nil // Ctrl-D
			}
			return err
		},
	}
	cmd.Flags().IntVar(&tail, "tail", 50, "start with the last N lines")
	return cmd
}

func (c *cli) consoleMessage(m client.ConsoleMessage) error {
	switch {
	case m.Type == "lines":
		return c.writeLines(m.Lines, false)
	case m.Type == "notice":
		c.info("(%s)", plain(m.Text))
	case m.Type == "reply" && m.Problem != nil:
		c.info("Error: %s; %s", m.Problem.Detail, m.Problem.Next)
	}
	// A reply without a problem needs no line of its own: the console shows command and answer to all viewers.
	return nil
}

// typeCommands sends what is typed until the input ends. The last command's answer is given a moment to arrive.
func (c *cli) typeCommands(ctx context.Context, cancel context.CancelFunc, conn *atomic.Pointer[client.Console]) {
	defer cancel()
	in := bufio.NewScanner(c.in)
	in.Buffer(nil, 64<<10)
	for n := 1; in.Scan(); n++ {
		text := strings.TrimSpace(in.Text())
		if text == "" {
			continue
		}
		s := c.waitConnected(ctx, conn)
		if s == nil {
			return
		}
		if err := s.Send(ctx, strconv.Itoa(n), text); err != nil {
			c.info("Error: %q was not sent: %v", text, err)
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
}

func (c *cli) waitConnected(ctx context.Context, conn *atomic.Pointer[client.Console]) *client.Console {
	for {
		if s := conn.Load(); s != nil {
			return s
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
}
