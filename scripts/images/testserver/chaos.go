package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// misbehave does what the environment asked for, after the server is up.
func (g *game) misbehave(ctx context.Context) {
	if g.knobs.floodRate > 0 {
		go g.flood(ctx, g.knobs.floodRate, g.knobs.floodSeconds)
	}
	if d := g.knobs.oomAfter; d > 0 {
		go func() {
			if wait(ctx, d) {
				eatMemory()
			}
		}()
	}
	if d := g.knobs.crashAfter; d > 0 {
		go func() {
			if wait(ctx, d) {
				g.crash(g.knobs.crashCode)
			}
		}()
	}
}

func (g *game) chaos(name string, args []string) []string {
	numbers := make([]int, 2)
	for i := range min(len(args), len(numbers)) {
		n, err := strconv.Atoi(args[i])
		if err != nil || n < 0 {
			return []string{"Invalid integer '" + args[i] + "'"}
		}
		numbers[i] = n
	}
	switch name {
	case "crash":
		if len(args) == 0 {
			numbers[0] = g.knobs.crashCode
		}
		g.crash(numbers[0])
	case "oom":
		go eatMemory()
	case "flood":
		go g.flood(context.Background(), max(numbers[0], 1), max(numbers[1], 1))
	case "print":
		g.print(numbers[0], numbers[1])
	}
	return nil
}

// crash ends the process the way a JVM does after an unhandled exception: a trace on the console, no save.
func (g *game) crash(code int) {
	g.log.line("Server thread", "ERROR", "Encountered an unexpected exception")
	g.log.raw([]byte("java.lang.IllegalStateException: asked to crash\n\tat net.payperplay.testserver.crash(chaos.go)\n"))
	g.log.line("Server thread", "ERROR", "This crash report has been saved to: /data/crash-reports/none.txt")
	os.Exit(code)
}

// eatMemory takes 16 MiB at a time and touches every page, until the kernel ends it.
func eatMemory() {
	var kept [][]byte
	for {
		block := make([]byte, 16<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
		if len(kept) > 4096 { // 64 GiB: no limit is set here, and the test machine needs its memory back
			os.Exit(137)
		}
	}
}

// flood prints numbered lines at an even rate, in batches of a 50th of a second.
func (g *game) flood(ctx context.Context, rate, seconds int) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	start, sent, total := time.Now(), 0, rate*seconds
	var batch []byte
	for sent < total {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := min(int(time.Since(start).Seconds()*float64(rate)), total)
		batch = batch[:0]
		for ; sent < due; sent++ {
			batch = fmt.Appendf(batch, "[%s] [Server thread/INFO]: flood %d\n", time.Now().UTC().Format("15:04:05"), sent+1)
		}
		if len(batch) > 0 {
			g.log.raw(batch)
		}
	}
}

// print writes lines as fast as the pipe takes them; size > 0 makes every line that many bytes long.
func (g *game) print(lines, size int) {
	var batch []byte
	for i := range lines {
		start := len(batch)
		batch = fmt.Appendf(batch, "print %d ", i+1)
		for len(batch)-start < size {
			batch = append(batch, 'x')
		}
		batch = append(batch, '\n')
		if len(batch) > 32<<10 {
			g.log.raw(batch)
			batch = batch[:0]
		}
	}
	g.log.raw(batch)
}
