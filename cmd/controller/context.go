package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/payperplay/payperplay/protocol"
)

// savedContext is one controller in the context file.
type savedContext struct {
	Endpoint  string `yaml:"endpoint" json:"endpoint"`
	Token     string `yaml:"token,omitempty" json:"-"`
	TokenFile string `yaml:"token_file,omitempty" json:"token_file,omitempty"`
}

// contextFile is ~/.config/payperplay/cli.yaml (0600).
type contextFile struct {
	Current  string                  `yaml:"current"`
	Contexts map[string]savedContext `yaml:"contexts"`
}

func contextPath() (string, error) {
	if p := os.Getenv("PAYPERPLAY_CONTEXT_FILE"); p != "" {
		return p, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", protocol.Faultf(protocol.Invalid, "set HOME or PAYPERPLAY_CONTEXT_FILE", "no place for the context file: %v", err)
	}
	return filepath.Join(dir, "payperplay", "cli.yaml"), nil
}

func loadContexts() (contextFile, error) {
	f := contextFile{Contexts: map[string]savedContext{}}
	path, err := contextPath()
	if err != nil {
		return f, nil //nolint:nilerr // without a home there are simply no contexts
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, protocol.Faultf(protocol.Invalid, "", "the context file cannot be read: %v", err)
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return f, protocol.Faultf(protocol.Invalid, "mend or delete "+path, "the context file cannot be understood: %v", err)
	}
	if f.Contexts == nil {
		f.Contexts = map[string]savedContext{}
	}
	return f, nil
}

func (f contextFile) save() error {
	path, err := contextPath()
	if err != nil {
		return err
	}
	b, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(path, b, 0o600)
}

func (c *cli) savedContext(name string) (savedContext, error) {
	f, err := loadContexts()
	if err != nil {
		return savedContext{}, err
	}
	if name == "" {
		return f.Contexts[f.Current], nil
	}
	s, ok := f.Contexts[name]
	if !ok {
		return s, usagef("see 'controller context list'", "there is no context %q", name)
	}
	return s, nil
}

func (c *cli) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	f, err := loadContexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.Sorted(maps.Keys(f.Contexts)), cobra.ShellCompDirectiveNoFileComp
}

func newContext(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "context", Short: "Save and choose controllers to talk to"}
	add := &cobra.Command{
		Use: "add NAME", Short: "Save the endpoint and token given by flags or environment under a name, and use it", Args: cobra.ExactArgs(1),
		Example: "  controller context add home --endpoint http://127.0.0.1:8080 --token-file /var/lib/payperplay/operator.token",
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := loadContexts()
			if err != nil {
				return err
			}
			f.Contexts[args[0]] = savedContext{
				Endpoint:  firstOf(c.endpoint, os.Getenv("PAYPERPLAY_ENDPOINT"), defaultEndpoint),
				Token:     firstOf(c.token, os.Getenv("PAYPERPLAY_TOKEN")),
				TokenFile: firstOf(c.tokenFile, os.Getenv("PAYPERPLAY_TOKEN_FILE")),
			}
			f.Current = args[0]
			return f.save()
		},
	}
	use := &cobra.Command{
		Use: "use NAME", Short: "Choose a saved context", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := loadContexts()
			if err != nil {
				return err
			}
			if _, ok := f.Contexts[args[0]]; !ok {
				return usagef("see 'controller context list'", "there is no context %q", args[0])
			}
			f.Current = args[0]
			return f.save()
		},
	}
	del := &cobra.Command{
		Use: "delete NAME", Short: "Forget a saved context", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := loadContexts()
			if err != nil {
				return err
			}
			if _, ok := f.Contexts[args[0]]; !ok {
				return usagef("see 'controller context list'", "there is no context %q", args[0])
			}
			delete(f.Contexts, args[0])
			if f.Current == args[0] {
				f.Current = ""
			}
			return f.save()
		},
	}
	ls := &cobra.Command{
		Use: "list", Short: "List saved contexts",
		RunE: func(*cobra.Command, []string) error {
			f, err := loadContexts()
			if err != nil {
				return err
			}
			return c.print(f.Contexts, func() table {
				t := table{header: []string{"", "NAME", "ENDPOINT"}}
				for _, name := range slices.Sorted(maps.Keys(f.Contexts)) {
					mark := ""
					if name == f.Current {
						mark = "*"
					}
					t.rows = append(t.rows, []string{mark, name, f.Contexts[name].Endpoint})
				}
				return t
			})
		},
	}
	cmd.AddCommand(add, use, ls, del)
	return cmd
}
