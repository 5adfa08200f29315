// Command testserver is the game that tests run instead of a real one: it looks like a Minecraft server from outside
// (status ping of any version, login and play for 1.12.2, RCON, a console with vanilla's lines, a world on disk) and
// misbehaves on demand. It ships as the image payperplay/testserver:1, FROM scratch.
//
// Environment: EULA, MOTD, MAX_PLAYERS, SERVER_PORT, PROXY_PROTOCOL, ENABLE_RCON, RCON_PASSWORD, RCON_PORT; to misbehave
// START_DELAY, CRASH_AFTER, OOM_AFTER (durations), CRASH_CODE, REFUSE_STOP, IGNORE_TERM, READY_LINE_ONLY (booleans), FLOOD
// ("lines-per-second" or "lines-per-second:seconds"); for the world RECORD_EVERY, WITNESS_EVERY (durations, 0 = never),
// WITNESS_ADDR (host:port, UDP), and PPP_SERVER, PPP_EPOCH, PPP_NODE, PPP_BOOT as the agent gives them.
//
// Console: say, list, tps, kick, stop, save-off, save-on, save-all [flush], record, transfer HOST [PORT] [PLAYERS], crash [CODE],
// oom, flood LINES-PER-SECOND SECONDS, print LINES [BYTES].
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

func main() { os.Exit(run()) }

// game is the running server; its parts share the log, the world and the players.
type game struct {
	knobs   knobs
	started time.Time
	log     *logger
	world   atomic.Pointer[world] // nil until it is loaded
	players *players
	exit    chan int // the exit code; the first one counts
}

func run() int {
	log := newLogger(os.Stdout)
	k, err := readKnobs(os.Getenv)
	if err != nil {
		log.line("main", "ERROR", err.Error())
		return 2
	}
	if !k.eula {
		log.line("main", "WARN", "You need to agree to the EULA in order to run the server. Go to eula.txt for more info.")
		return 1
	}
	g := &game{knobs: k, started: time.Now(), log: log, exit: make(chan int, 16)}
	g.players = newPlayers(log, k.maxPlayers)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go g.signals()
	go g.console(bufio.NewReader(os.Stdin))
	go g.start(ctx)

	code := <-g.exit
	cancel()
	g.players.kickAll("Server closed")
	if w := g.world.Load(); w != nil {
		if err := w.close(); err != nil {
			log.line("Server thread", "ERROR", "world not saved: "+err.Error())
			return 3
		}
	}
	return code
}

// start does what a server does between its process and the line "Done".
func (g *game) start(ctx context.Context) {
	begin := time.Now()
	g.log.info("Starting minecraft server version 1.12.2")
	if !wait(ctx, g.knobs.startDelay) {
		return
	}
	w, err := openWorld(filepath.Join(g.knobs.dataDir, "world"), g.knobs, g.log)
	if err != nil {
		g.log.line("Server thread", "ERROR", "Failed to open the world: "+err.Error())
		g.exit <- 4
		return
	}
	g.world.Store(w)
	if !g.knobs.readyLineOnly {
		if err := g.listen(ctx); err != nil {
			g.log.line("Server thread", "WARN", "**** FAILED TO BIND TO PORT! "+err.Error())
			g.exit <- 5
			return
		}
	}
	if g.knobs.rcon {
		if err := g.listenRCON(ctx); err != nil {
			g.log.line("Server thread", "WARN", "Unable to initialise RCON: "+err.Error())
		}
	}
	g.log.info(fmt.Sprintf("Done (%.3fs)! For help, type \"help\"", time.Since(begin).Seconds()))
	go w.keepRecords(ctx)
	go w.keepWitness(ctx)
	g.misbehave(ctx)
}

// signals turns SIGTERM into save and exit, quickly, unless the test wants the deaf kind of game.
func (g *game) signals() {
	got := make(chan os.Signal, 4)
	signal.Notify(got, syscall.SIGTERM, syscall.SIGINT)
	for s := range got {
		if g.knobs.ignoreTerm {
			g.log.info("Ignoring " + s.String())
			continue
		}
		g.log.info("Stopping the server")
		g.exit <- 0
	}
}

// wait sleeps for d and tells whether ctx lived that long.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
