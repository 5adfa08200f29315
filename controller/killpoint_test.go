package controller

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

// TestF01TokenKilledAtEachStep dies while the operator's token is made: a token that somebody may have been given is the one that counts.
func TestF01TokenKilledAtEachStep(t *testing.T) {
	killtest.Run(t, killtest.Case{
		Points: []string{"controller.token.before", "controller.token.synced", "controller.token.renamed", "controller.token.after"},
		At:     []int{1},
		Work: func(_ context.Context, dir string, acked func(int)) error {
			token, err := operatorToken(filepath.Join(dir, "operator.token"))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "given"), []byte(token), 0o600); err != nil {
				return err
			}
			acked(1)
			return nil
		},
		Check: func(t *testing.T, dir string, acked int) {
			token, err := operatorToken(filepath.Join(dir, "operator.token"))
			if err != nil || len(token) < 32 {
				t.Fatalf("%q, %v", token, err)
			}
			if given, err := os.ReadFile(filepath.Join(dir, "given")); acked > 0 && (err != nil || string(given) != token) {
				t.Errorf("%q was given (%v), %q counts", given, err, token)
			}
		},
	})
}
