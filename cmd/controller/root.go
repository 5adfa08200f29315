package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

// defaultEndpoint is where "controller serve" listens unless told otherwise.
const defaultEndpoint = "http://127.0.0.1:8080"

// cli is what every subcommand shares.
type cli struct {
	in       io.Reader
	out, err io.Writer

	endpoint  string
	token     string
	tokenFile string
	context   string
	output    string
	noHeader  bool
	quiet     bool
}

// usageError is a command line that can never work; the exit code is 2.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(next, format string, args ...any) error {
	return usageError{protocol.Faultf(protocol.Invalid, next, format, args...)}
}

func newRoot(in io.Reader, out, errw io.Writer) *cobra.Command {
	c := &cli{in: in, out: out, err: errw}
	root := &cobra.Command{
		Use:           "controller",
		Short:         "PayPerPlay: Minecraft hosting on Hetzner Cloud that sleeps when nobody plays",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	f := root.PersistentFlags()
	f.StringVar(&c.endpoint, "endpoint", "", "address of the controller's API (env PAYPERPLAY_ENDPOINT; default "+defaultEndpoint+")")
	f.StringVar(&c.token, "token", "", "API token (env PAYPERPLAY_TOKEN)")
	f.StringVar(&c.tokenFile, "token-file", "", "file that holds the API token (env PAYPERPLAY_TOKEN_FILE)")
	f.StringVar(&c.context, "context", "", "saved context to use (env PAYPERPLAY_CONTEXT; see 'controller context')")
	f.StringVarP(&c.output, "output", "o", "table", "output format: table, json or yaml")
	f.BoolVar(&c.noHeader, "no-header", false, "leave out the header line of tables")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "print no progress")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("context", c.completeContexts)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("see '"+cmd.CommandPath()+" --help'", "%v", err)
	})
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.checkOutput() }
	root.AddCommand(
		newServe(c), newServer(c), newNode(c), newTemplate(c), newEvent(c), newStatus(c), newRecovery(c), newMachine(c), newScaling(c), newCloud(c),
		newStore(c), newContext(c), newOpenAPI(c), newVersion(c), simulateCommand(),
	)
	strictArgs(root)
	return root
}

// strictArgs makes wrong arguments a usage error, and an unknown subcommand one that names its neighbours.
func strictArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		strictArgs(sub)
	}
	cmd.SuggestionsMinimumDistance = 2
	if cmd.HasSubCommands() {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			next := "see '" + cmd.CommandPath() + " --help'"
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				next = "did you mean '" + cmd.CommandPath() + " " + near[0] + "'?"
			}
			return usagef(next, "'%s' has no command %q", cmd.CommandPath(), args[0])
		}
		if cmd.RunE == nil {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		return
	}
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("usage: "+cmd.UseLine(), "%v", err)
		}
		if len(args) > 0 && args[0] == "" {
			return usagef("usage: "+cmd.UseLine(), "the name is empty")
		}
		return nil
	}
}

func (c *cli) checkOutput() error {
	switch c.output {
	case "table", "json", "yaml":
		return nil
	default:
		return usagef("use -o table, -o json or -o yaml", "unknown output format %q", c.output)
	}
}

// client connects with what flags, environment, context file and defaults say.
func (c *cli) client() (*client.Client, error) {
	conn, err := c.connection()
	if err != nil {
		return nil, err
	}
	return client.New(client.Options{Endpoint: conn.Endpoint, Token: conn.Token, UserAgent: "payperplay-cli/" + version})
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// connection puts together where to call and with which token. Flags count most, then a context that was named, then the
// environment, then the current context. A token goes only to the controller it was saved for.
func (c *cli) connection() (savedContext, error) {
	saved, err := c.savedContext(firstOf(c.context, os.Getenv("PAYPERPLAY_CONTEXT")))
	if err != nil {
		return savedContext{}, err
	}
	var named savedContext
	if c.context != "" {
		named = saved
	}
	conn := savedContext{Endpoint: firstOf(c.endpoint, named.Endpoint, os.Getenv("PAYPERPLAY_ENDPOINT"), saved.Endpoint, defaultEndpoint)}
	sources := []savedContext{{Token: c.token, TokenFile: c.tokenFile}}
	if conn.Endpoint == named.Endpoint {
		sources = append(sources, named)
	}
	sources = append(sources, savedContext{Token: os.Getenv("PAYPERPLAY_TOKEN"), TokenFile: os.Getenv("PAYPERPLAY_TOKEN_FILE")})
	if conn.Endpoint == saved.Endpoint {
		sources = append(sources, saved)
	}
	for _, s := range sources {
		if s.Token != "" {
			conn.Token = s.Token
			return conn, nil
		}
		if s.TokenFile != "" {
			conn.Token, err = readToken(s.TokenFile)
			return conn, err
		}
	}
	if conn.Endpoint == defaultEndpoint {
		// On the controller's own machine root needs no set-up.
		if b, err := os.ReadFile(filepath.Join(defaultData, "operator.token")); err == nil {
			conn.Token = strings.TrimSpace(string(b))
		}
	}
	return conn, nil
}

func readToken(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", protocol.Faultf(protocol.Invalid, "the controller writes it to DATA/operator.token; or give --token", "the token file cannot be read: %v", err)
	}
	return strings.TrimSpace(string(b)), nil
}
