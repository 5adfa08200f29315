package main

import (
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// notify tells systemd how the service is (sd_notify); without NOTIFY_SOCKET it does nothing.
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if name[0] == '@' { // an abstract socket
		name = "\x00" + name[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(state))
	return err
}

// watchdog gives what is to be called while the agent is alive: it tells systemd, which starts the agent anew when it hears nothing for
// WatchdogSec (WATCHDOG_USEC). nil where nobody waits for it.
func watchdog(log *slog.Logger) (alive func(), every time.Duration) {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 || os.Getenv("NOTIFY_SOCKET") == "" {
		return nil, 0
	}
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) { // it is about a parent of ours
		return nil, 0
	}
	return func() {
		if err := notify("WATCHDOG=1"); err != nil {
			log.Warn("systemd was not told that the agent is alive", "err", err)
		}
	}, time.Duration(usec) * time.Microsecond / 3
}
