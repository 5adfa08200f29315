package supervisor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/protocol"
)

// TestPlayersAreToldOnce whether the game's own list or its console was first; the list comes every 15 s, so either may be.
func TestPlayersAreToldOnce(t *testing.T) {
	for name, c := range map[string]struct{ steps, want string }{
		"the console alone":                      {"+bob -bob +bob", "+bob -bob +bob"},
		"the list knew of the join before":       {"list:bob +bob -bob", "+bob -bob"},
		"the list knew of the leave before":      {"+bob list: -bob", "+bob -bob"},
		"joined before the agent was there":      {"list:bob -bob", "-bob"},
		"lines that were read again are no news": {"+bob again:+bob -bob again:+bob again:-bob", "+bob -bob"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &runner{id: "srv_1", kick: make(chan struct{}, 1)}
			for _, step := range strings.Fields(c.steps) {
				if names, ok := strings.CutPrefix(step, "list:"); ok {
					r.game.names = parseList("There are 1 of a max of 20 players online: " + names)
					continue
				}
				step, again := strings.CutPrefix(step, "again:")
				verb := map[byte]string{'+': "joined", '-': "left"}[step[0]]
				l := protocol.Line{Text: fmt.Sprintf("[21:25:00] [Server thread/INFO]: %s %s the game", step[1:], verb)}
				if again {
					r.read(l)
				} else {
					r.line(l)
				}
			}
			var told []string
			for _, f := range r.facts {
				told = append(told, map[bool]string{true: "+", false: "-"}[f.Player.Joined]+f.Player.Name)
			}
			if want := strings.Fields(c.want); !slices.Equal(told, want) {
				t.Errorf("told %v, want %v", told, want)
			}
		})
	}
}
