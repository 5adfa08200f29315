package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller"
	"github.com/payperplay/payperplay/controller/store/open"
	"github.com/payperplay/payperplay/protocol"
)

// storeFlags say where a store is.
type storeFlags struct{ given, file string }

func (s *storeFlags) add(cmd *cobra.Command, otherwise string) {
	s.register(cmd, " (env PAYPERPLAY_STORE; default: "+otherwise+")", " (env PAYPERPLAY_STORE_FILE)")
}

// addNamed is add for a command that asks the running controller unless a flag names the store: the environment is for those
// that have no controller to ask.
func (s *storeFlags) addNamed(cmd *cobra.Command) {
	s.register(cmd, " (default: the running controller is asked; the environment does not count)", "")
}

func (s *storeFlags) register(cmd *cobra.Command, address, file string) {
	f := cmd.Flags()
	f.StringVar(&s.given, "store", "", "address of the store: a file, or postgres://USER@HOST/DATABASE"+address+"; leave the password to PGPASSFILE or PGPASSWORD")
	f.StringVar(&s.file, "store-file", "", "file that holds the address of the store"+file)
	cmd.MarkFlagsMutuallyExclusive("store", "store-file")
	_ = cmd.RegisterFlagCompletionFunc("store", completeStore)
}

// completeStore offers the beginning of an address, and files.
func completeStore(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if typed != "" && strings.HasPrefix("postgres://", typed) {
		return []string{"postgres://"}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// address is what flags, environment and the data directory say, in this order.
func (s *storeFlags) address(c *cli, data string) (string, error) {
	given, file := s.given, s.file
	if given == "" && file == "" {
		given, file = os.Getenv("PAYPERPLAY_STORE"), os.Getenv("PAYPERPLAY_STORE_FILE")
	}
	if given == "" && file != "" {
		return readAddress(file)
	}
	if given == "" {
		return controller.StorePath(data), nil
	}
	return given, c.warnSecret(s.given)
}

// named tells whether a flag says where the store is.
func (s *storeFlags) named() bool { return s.given != "" || s.file != "" }

func readAddress(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", protocol.Faultf(protocol.Invalid, "it holds one line, the address of the store", "the file with the store's address cannot be read: %v", err)
	}
	line := strings.TrimSpace(string(b))
	if line == "" || strings.Contains(line, "\n") {
		return "", protocol.Faultf(protocol.Invalid, "write one line, as postgres://USER:PASSWORD@HOST/DATABASE", "%s does not hold one address", file)
	}
	return line, nil
}

// warnSecret tells of a password that every user of this machine can see.
func (c *cli) warnSecret(flag string) error {
	if flag == "" {
		return nil
	}
	a, err := open.Parse(flag)
	if err == nil && a.Secret() {
		c.info("the password in the address can be seen by every user of this machine while this runs: put the address into a file (--store-file) or the password into PGPASSFILE")
	}
	return err
}
