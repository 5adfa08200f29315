package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

func newTemplate(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "template", Aliases: []string{"templates"}, Short: "The catalogue of what a server can be"}
	var category, text string
	ls := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List templates",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			all, err := cl.Templates(cmd.Context(), category, text)
			if err != nil {
				return err
			}
			return c.print(all, func() table {
				t := table{header: []string{"NAME", "CATEGORY", "VERSION", "MEMORY", "PLAYERS", "WHAT"}}
				for _, e := range all {
					t.rows = append(t.rows, []string{e.Name, e.Category, e.DefaultVersion, protocol.FormatSize(e.MemoryRecommended), dash(e.Players), e.Summary})
				}
				return t
			})
		},
	}
	ls.Flags().StringVar(&category, "category", "", "only this category")
	ls.Flags().StringVar(&text, "search", "", "only those that contain this text")
	show := &cobra.Command{
		Use: "show NAME", Short: "Show a template with its settings", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeTemplates,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			e, err := cl.Template(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(e, func() table {
				t := table{header: []string{"SETTING", "KIND", "DEFAULT", "WHAT"}}
				for _, v := range e.Env {
					t.rows = append(t.rows, []string{v.Name, v.Kind, dash(v.Default), v.Help})
				}
				return t
			})
		},
	}
	cmd.AddCommand(ls, show)
	return cmd
}

func (c *cli) completeTemplates(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	all := func(cl *client.Client, ctx context.Context) ([]client.Template, error) {
		return cl.Templates(ctx, "", "")
	}
	return complete(c, cmd, nil, all, func(t client.Template) string { return t.Name + "\t" + t.Summary })
}
