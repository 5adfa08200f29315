package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// knobs is the environment, read once.
type knobs struct {
	eula, refuseStop, ignoreTerm, readyLineOnly, rcon, proxy bool
	startDelay, crashAfter, oomAfter                         time.Duration
	recordEvery, witnessEvery                                time.Duration
	crashCode, floodRate, floodSeconds                       int
	maxPlayers, port, rconPort                               int
	motd, rconPassword, dataDir, witnessAddr                 string
	server, epoch, node, boot                                string
}

// environment reads values and keeps the first fault.
type environment struct {
	get func(string) string
	err error
}

func readKnobs(get func(string) string) (knobs, error) {
	e := &environment{get: get}
	k := knobs{
		eula:          e.flag("EULA"),
		refuseStop:    e.flag("REFUSE_STOP"),
		ignoreTerm:    e.flag("IGNORE_TERM"),
		readyLineOnly: e.flag("READY_LINE_ONLY"),
		rcon:          e.flag("ENABLE_RCON"),
		proxy:         e.flag("PROXY_PROTOCOL"),
		startDelay:    e.duration("START_DELAY", 0),
		crashAfter:    e.duration("CRASH_AFTER", 0),
		oomAfter:      e.duration("OOM_AFTER", 0),
		recordEvery:   e.duration("RECORD_EVERY", 0),
		witnessEvery:  e.duration("WITNESS_EVERY", time.Second),
		crashCode:     e.number("CRASH_CODE", 1),
		maxPlayers:    e.number("MAX_PLAYERS", 20),
		port:          e.number("SERVER_PORT", 25565),
		rconPort:      e.number("RCON_PORT", 25575),
		motd:          e.text("MOTD", "A PayPerPlay test server"),
		rconPassword:  e.text("RCON_PASSWORD", ""),
		dataDir:       e.text("DATA", "/data"),
		witnessAddr:   e.text("WITNESS_ADDR", ""),
		server:        e.text("PPP_SERVER", ""),
		epoch:         e.text("PPP_EPOCH", ""),
		node:          e.text("PPP_NODE", ""),
		boot:          e.text("PPP_BOOT", ""),
	}
	k.floodRate, k.floodSeconds = e.flood("FLOOD")
	if k.rcon && k.rconPassword == "" {
		e.fail("ENABLE_RCON", "needs RCON_PASSWORD")
	}
	return k, e.err
}

func (e *environment) fail(name, why string) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %s", name, why)
	}
}

func (e *environment) text(name, fallback string) string {
	if v := e.get(name); v != "" {
		return v
	}
	return fallback
}

func (e *environment) flag(name string) bool {
	switch v := e.get(name); strings.ToLower(v) {
	case "", "0", "false", "no", "off":
		return false
	case "1", "true", "yes", "on":
		return true
	default:
		e.fail(name, fmt.Sprintf("%q is neither true nor false", v))
		return false
	}
}

func (e *environment) number(name string, fallback int) int {
	v := e.get(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		e.fail(name, fmt.Sprintf("%q is not a number", v))
	}
	return n
}

// duration reads "1.5s" or plain seconds.
func (e *environment) duration(name string, fallback time.Duration) time.Duration {
	v := e.get(name)
	if v == "" {
		return fallback
	}
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		e.fail(name, fmt.Sprintf("%q is not a duration", v))
	}
	return d
}

func (e *environment) flood(name string) (rate, seconds int) {
	v := e.get(name)
	if v == "" {
		return 0, 0
	}
	rateText, secondsText, timed := strings.Cut(v, ":")
	rate, err := strconv.Atoi(rateText)
	if err != nil || rate < 1 {
		e.fail(name, fmt.Sprintf("%q is not lines-per-second[:seconds]", v))
	}
	if !timed {
		return rate, 1 << 30
	}
	if seconds, err = strconv.Atoi(secondsText); err != nil || seconds < 1 {
		e.fail(name, fmt.Sprintf("%q is not lines-per-second[:seconds]", v))
	}
	return rate, seconds
}
