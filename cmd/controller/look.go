package main

import (
	"context"

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
