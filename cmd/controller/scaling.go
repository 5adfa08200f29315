package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

func newScaling(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "scaling", Short: "Let the fleet grow and shrink by itself, within limits, and see why it did"}
	cmd.AddCommand(newScalingStatus(c), newScalingVerb(c, "enable", "Order and release machines as the load asks for it"),
		newScalingVerb(c, "disable", "Order and release no machine; those that run stay"), newScalingSet(c), newScalingHistory(c), newScalingPlan(c))
	return cmd
}

// printScaling shows limits, money and what waits.
func (c *cli) printScaling(s client.Scaling) error {
	return c.print(s, func() table {
		t := table{}
		row := func(key, value string) { t.rows = append(t.rows, []string{key + ":", value}) }
		row("Scaling", s.Explain)
		if s.Next != "" {
			row("Next step", s.Next)
		}
		machines := fmt.Sprint(s.Machines)
		if n := s.Settings.MaxMachines; n != nil {
			machines += fmt.Sprintf(" of at most %d", *n)
		}
		row("Machines", machines+fmt.Sprintf(", %d of them spare (%d wanted now)", s.Spares, s.SparesWanted))
		row("Memory booked", fmt.Sprintf("%.0f %%", 100*s.Fill))
		today := fleet.MicroEuro(s.TodayMicroEUR).String() + " so far, at most " + fleet.MicroEuro(s.TodayMostMicroEUR).String() + " by midnight UTC"
		if most := s.Settings.MaxDayMicroEUR; most != nil {
			today += " (limit " + fleet.MicroEuro(*most).String() + ")"
		}
		row("Price", perHour(s.HourlyMicroEUR))
		row("Today", today)
		for _, w := range s.Waiting {
			row("Waits", fmt.Sprintf("%s needs %s since %s: %s", w.Server, protocol.FormatSize(w.MemoryBytes), w.Since.Local().Format(time.TimeOnly), w.Why))
		}
		if s.Last != nil {
			row("Last decision", s.Last.At.Local().Format("2006-01-02 15:04:05")+": "+gist(*s.Last))
		}
		return t
	})
}

// gist is a decision in one line: what it did, or why nothing.
func gist(e client.ScalingEntry) string {
	var did []string
	for _, a := range e.Actions {
		if a.Do != "keep" {
			did = append(did, strings.TrimSpace(a.Do+" "+strings.TrimSpace(a.Machine+" "+a.Type+" "+a.Location))+": "+a.Why)
		}
	}
	if len(did) == 0 {
		did = e.Reasons
	}
	return strings.Join(did, "; ")
}

func newScalingStatus(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Limits, money, and who waits for room", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			s, err := cl.Scaling(cmd.Context())
			if err != nil {
				return err
			}
			return c.printScaling(s)
		},
	}
}

func newScalingVerb(c *cli, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			s, err := cl.Scale(cmd.Context(), verb)
			if err != nil {
				return err
			}
			return c.printScaling(s)
		},
	}
}

// scalingKeys are what `scaling set` knows; each reads its value into the change.
var scalingKeys = map[string]struct {
	help string
	read func(string, *client.ScalingSettings) error
}{
	"max-machines": {"at most so many machines at once", func(v string, s *client.ScalingSettings) error { return number(v, strconv.Atoi, &s.MaxMachines) }},
	"max-euro-per-day": {"hard limit of a day (UTC), like 5 or 2.50", func(v string, s *client.ScalingSettings) error {
		return number(v, func(v string) (int64, error) { m, err := fleet.ParseEuro(v); return int64(m), err }, &s.MaxDayMicroEUR)
	}},
	"up":       {"memory booked, in per cent, from which one more is ordered", func(v string, s *client.ScalingSettings) error { return number(v, percent, &s.Up) }},
	"down":     {"memory booked, in per cent, below which one is let go", func(v string, s *client.ScalingSettings) error { return number(v, percent, &s.Down) }},
	"cooldown": {"time between two decisions by load, like 5m", func(v string, s *client.ScalingSettings) error { return number(v, seconds, &s.CooldownSeconds) }},
	"release-minute": {"minute of its paid hour at which an empty machine goes", func(v string, s *client.ScalingSettings) error {
		return number(v, strconv.Atoi, &s.ReleaseMinute)
	}},
	"types":     {"allowed types, best first, like cax11,cx23; empty = all", func(v string, s *client.ScalingSettings) error { s.Types = words(v); return nil }},
	"locations": {"allowed locations, best first, like nbg1,fsn1; empty = all", func(v string, s *client.ScalingSettings) error { s.Locations = words(v); return nil }},
	"zone":      {"time zone of the spares' table, like Europe/Berlin", func(v string, s *client.ScalingSettings) error { s.Zone = &v; return nil }},
	"spares":    {"machines kept ready by hour, like '1; fri,sat 17-24 = 3'", func(v string, s *client.ScalingSettings) error { s.Spares = &v; return nil }},
}

func number[T any](text string, read func(string) (T, error), into **T) error {
	v, err := read(text)
	if err == nil {
		*into = &v
	}
	return err
}

func percent(text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	return v / 100, err
}

func seconds(text string) (int64, error) {
	d, err := time.ParseDuration(text)
	return int64(d / time.Second), err
}

func words(text string) *[]string {
	list := []string{}
	for w := range strings.SplitSeq(text, ",") {
		if w = strings.TrimSpace(w); w != "" {
			list = append(list, w)
		}
	}
	return &list
}

func newScalingSet(c *cli) *cobra.Command {
	keys := make([]string, 0, len(scalingKeys))
	var long strings.Builder
	long.WriteString("Settings:\n")
	for k := range scalingKeys {
		keys = append(keys, k+"=")
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(&long, "  %-17s %s\n", strings.TrimSuffix(k, "="), scalingKeys[strings.TrimSuffix(k, "=")].help)
	}
	return &cobra.Command{
		Use: "set KEY=VALUE…", Short: "Change limits and wishes", Long: long.String(), Args: cobra.MinimumNArgs(1),
		Example:           "  controller scaling set max-machines=4 max-euro-per-day=3",
		ValidArgsFunction: cobra.FixedCompletions(keys, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace),
		RunE: func(cmd *cobra.Command, args []string) error {
			var set client.ScalingSettings
			for _, a := range args {
				k, v, ok := strings.Cut(a, "=")
				key, known := scalingKeys[k]
				if !ok || !known {
					return usagef("use "+strings.Join(keys, " "), "%q is not a setting with a value", a)
				}
				if err := key.read(strings.TrimSpace(v), &set); err != nil {
					return usagef(k+": "+key.help, "%q is not a value of %s", v, k)
				}
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			s, err := cl.SetScaling(cmd.Context(), set)
			if err != nil {
				return err
			}
			return c.printScaling(s)
		},
	}
}

// entryTable is one decision: what is done, then what else was considered.
func entryTable(e client.ScalingEntry) table {
	t := table{header: []string{"DO", "WHAT", "PRICE", "WHY"}}
	price := func(micro int64) string {
		if micro == 0 {
			return "-"
		}
		return perHour(micro)
	}
	for _, a := range e.Actions {
		what := strings.TrimSpace(a.Machine + " " + a.Type + " " + a.Location)
		why := a.Why
		if a.Result != "" {
			why += " (" + a.Result + ")"
		}
		t.rows = append(t.rows, []string{a.Do, dash(what), price(a.MicroEUR), why})
	}
	if len(e.Actions) == 0 {
		t.rows = append(t.rows, []string{"nothing", "-", "-", strings.Join(e.Reasons, "; ")})
	}
	for _, r := range e.Considered {
		t.rows = append(t.rows, []string{"not", r.What, price(r.MicroEUR), r.Why})
	}
	return t
}

func newScalingHistory(c *cli) *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use: "history", Short: "What was decided, from what, and what it cost; newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			all, err := cl.ScalingHistory(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return c.print(all, func() table {
				t := table{header: []string{"TIME", "DO", "WHAT", "WHY"}}
				for _, e := range all {
					for _, a := range e.Actions {
						t.rows = append(t.rows, []string{e.At.Local().Format("2006-01-02 15:04:05"), a.Do, dash(strings.TrimSpace(a.Machine + " " + a.Type + " " + a.Location)), strings.TrimSpace(a.Why + " " + a.Result)})
					}
				}
				return t
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "at most so many decisions")
	return cmd
}

func newScalingPlan(c *cli) *cobra.Command {
	dry := true
	cmd := &cobra.Command{
		Use: "plan --dry-run", Short: "What would be decided now, and why not otherwise; nothing is done", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !dry {
				return usagef("scaling carries out its plans by itself: `controller scaling enable`", "a plan is only shown")
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			e, err := cl.ScalingPlan(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(e, func() table { return entryTable(e) })
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", true, "show it only (there is no other way)")
	return cmd
}
