package main

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWrongInputIsOneLineAndExit2(t *testing.T) {
	data := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown command":   {[]string{"fly"}, 2, "unknown command"},
		"unknown flag":      {[]string{"run", "--fly"}, 2, "see agent run --help"},
		"no data":           {[]string{"run"}, 2, "give --data DIR"},
		"extra argument":    {[]string{"run", "fast"}, 2, "fast"},
		"ports":             {[]string{"run", "--data", data, "--ports", "9-3"}, 2, "25500-26499"},
		"memory":            {[]string{"run", "--data", data, "--memory", "much"}, 2, "512MiB"},
		"bridge pool":       {[]string{"run", "--data", data, "--bridge-pool", "x"}, 2, "10.213.0.0/16"},
		"narrow pool":       {[]string{"run", "--data", data, "--bridge-pool", "10.99.0.0/30"}, 2, "/29"},
		"bind":              {[]string{"run", "--data", data, "--bind", "::1"}, 2, "IPv4"},
		"role":              {[]string{"run", "--data", data, "--roles", "king"}, 2, "worker"},
		"pin":               {[]string{"run", "--data", data, "--ca-pin", "sha1:00"}, 2, "--ca-pin"},
		"no token":          {[]string{"run", "--data", data}, 2, "controller node token create"},
		"token file":        {[]string{"run", "--data", data, "--token-file", data + "/none"}, 2, "--token-file"},
		"boot id file":      {[]string{"run", "--data", data, "--boot-id-file", data + "/none"}, 2, "--boot-id-file"},
		"log level":         {[]string{"run", "--data", data, "--log-level", "loud"}, 2, "debug"},
		"log format":        {[]string{"run", "--data", data, "--log-format", "xml"}, 2, "json"},
		"cleanup, no data":  {[]string{"cleanup"}, 2, "give --data DIR"},
		"cleanup of nobody": {[]string{"cleanup", "--data", data}, 0, ""},
		"version":           {[]string{"version"}, 0, ""},
		"probe of nothing":  {[]string{"probe"}, 2, "arg"},
		"probe, no port":    {[]string{"probe", "127.0.0.1"}, 2, "HOST:PORT"},
		"source":            {[]string{"run", "--data", data, "--source", "here"}, 2, "--source"},
		"machine id file":   {[]string{"run", "--data", data, "--machine-id-file", data + "/none"}, 2, "--machine-id-file"},
	} {
		var out, errs bytes.Buffer
		code := execute(t.Context(), c.args, &out, &errs)
		said := strings.TrimSpace(errs.String())
		if code != c.code || !strings.Contains(said, c.says) || strings.Count(said, "\n") > 0 || c.code == 2 && !strings.HasPrefix(said, "agent: ") {
			t.Errorf("%s: exit %d, says %q", name, code, said)
		}
	}
}

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close(); _ = os.Remove(name) }()
	t.Setenv("NOTIFY_SOCKET", name)
	if err := notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := l.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Fatal(string(buf[:n]), err)
	}
}

// TestWatchdog: systemd hears that the agent is alive three times as often as it wants to; without it nobody is told.
func TestWatchdog(t *testing.T) {
	for _, env := range [][2]string{{"", "60000000"}, {"/run/x", ""}, {"/run/x", "nonsense"}, {"/run/x", "-1"}} {
		t.Setenv("NOTIFY_SOCKET", env[0])
		t.Setenv("WATCHDOG_USEC", env[1])
		if alive, _ := watchdog(slog.New(slog.DiscardHandler)); alive != nil {
			t.Errorf("%q is a watchdog", env)
		}
	}
	name := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "60000000")
	alive, every := watchdog(slog.New(slog.DiscardHandler))
	if alive == nil || every != 20*time.Second {
		t.Fatalf("every %s", every)
	}
	alive()
	buf := make([]byte, 64)
	n, err := l.Read(buf)
	if err != nil || string(buf[:n]) != "WATCHDOG=1" {
		t.Fatal(string(buf[:n]), err)
	}
}
