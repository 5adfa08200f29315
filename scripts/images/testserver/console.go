package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// console runs what is typed on stdin. End of input is not an order to stop: containers without -i have none.
func (g *game) console(in *bufio.Reader) {
	for {
		text, err := in.ReadString('\n')
		if command := strings.TrimSpace(text); command != "" {
			for _, line := range g.command(command) {
				g.log.info(line)
			}
		}
		if err != nil {
			return
		}
	}
}

// command runs one command and gives the lines that answer it.
func (g *game) command(text string) []string {
	name, rest, _ := strings.Cut(strings.TrimPrefix(text, "/"), " ")
	args := strings.Fields(rest)
	switch name {
	case "say":
		g.players.chat("[Server] " + rest)
		return []string{"[Server] " + rest}
	case "list":
		names := g.players.names()
		return []string{fmt.Sprintf("There are %d of a max of %d players online: %s", len(names), g.knobs.maxPlayers, strings.Join(names, ", "))}
	case "tps":
		return []string{"TPS from last 1m, 5m, 15m: 20.0, 20.0, 20.0"}
	case "kick":
		return g.kick(args)
	case "transfer":
		return g.transfer(args)
	case "stop":
		return g.stop()
	case "save-off", "save-on", "save-all", "record":
		w := g.world.Load()
		if w == nil {
			return []string{"The world is not loaded yet"}
		}
		return w.command(name, args)
	case "crash", "oom", "flood", "print":
		return g.chaos(name, args)
	case "help":
		return []string{"say list tps kick stop save-off save-on save-all record transfer crash oom flood print"}
	default:
		return []string{"Unknown or incomplete command, see below for error", text + "<--[HERE]"}
	}
}

// stop prints its lines itself: the process may be gone before an answer is.
func (g *game) stop() []string {
	g.log.info("Stopping the server")
	if g.knobs.refuseStop {
		return []string{"Exception stopping the server: still waiting for Server thread"}
	}
	g.log.info("Saving players")
	g.log.info("Saving worlds")
	g.exit <- 0
	return nil
}

func (g *game) kick(args []string) []string {
	if len(args) == 0 || !g.players.kick(args[0], "Kicked by an operator") {
		return []string{"No player was found"}
	}
	return []string{"Kicked " + args[0] + ": Kicked by an operator"}
}

// transfer takes the words of the command that 1.20.5 added. A 1.12.2 client cannot be sent on, so it is kicked with
// the address in the text, which is what a test can see.
func (g *game) transfer(args []string) []string {
	if len(args) == 0 {
		return []string{"Unknown or incomplete command, see below for error", "transfer<--[HERE]"}
	}
	port, targets := 25565, args[1:]
	if len(targets) > 0 {
		if n, err := strconv.Atoi(targets[0]); err == nil {
			port, targets = n, targets[1:]
		}
	}
	if len(targets) == 0 || targets[0] == "@a" {
		targets = g.players.names()
	}
	moved := 0
	for _, name := range targets {
		if g.players.kick(name, fmt.Sprintf("Transferred to %s:%d", args[0], port)) {
			moved++
		}
	}
	if moved == 0 {
		return []string{"No player was found"}
	}
	return []string{fmt.Sprintf("Transferring %d players to %s:%d", moved, args[0], port)}
}
