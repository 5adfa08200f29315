package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
)

// listCommand is "NOUN list": fetch everything, show it.
func listCommand[T any](c *cli, short string, fetch func(*client.Client, context.Context) ([]T, error), show func([]T) table) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: short,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			all, err := fetch(cl, cmd.Context())
			if err != nil {
				return err
			}
			return c.print(all, func() table { return show(all) })
		},
	}
}

// showCommand is "NOUN show NAME": fetch one, show it.
func showCommand[T any](c *cli, short string, complete cobra.CompletionFunc, fetch func(*client.Client, context.Context, string) (T, error), show func(T) table) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			one, err := fetch(cl, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(one, func() table { return show(one) })
		},
	}
}

// complete offers what the controller has for the first argument; a shell does not wait longer than 2 s for it.
func complete[T any](c *cli, cmd *cobra.Command, args []string, fetch func(*client.Client, context.Context) ([]T, error), word func(T) string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cl, err := c.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	all, err := fetch(cl, ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	words := make([]string, 0, len(all))
	for _, v := range all {
		words = append(words, word(v))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
