package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/protocol"
)

// TestProbeSpeaksByItsExitCode: a bit for each address that answers, so that the agent outside needs no log of the container.
func TestProbeSpeaksByItsExitCode(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	there, silent := l.Addr().String(), "no.such.host.invalid:1"
	for want, addrs := range map[int][]string{0: {silent}, docker.ProbeOpen | 1: {there, silent}, docker.ProbeOpen | 2: {silent, there}, docker.ProbeOpen | 3: {there, there}} {
		var out, errs bytes.Buffer
		if code := execute(t.Context(), append([]string{"probe"}, addrs...), &out, &errs); code != want || errs.Len() > 0 || strings.Count(out.String(), "\n") != len(addrs) {
			t.Errorf("%v: exit %d, want %d\n%s%s", addrs, code, want, &out, &errs)
		}
	}
}

// TestStoppingIsTold: systemd hears that the agent stops as soon as it begins to.
func TestStoppingIsTold(t *testing.T) {
	name := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("NOTIFY_SOCKET", name)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, errs bytes.Buffer
	execute(ctx, []string{"run", "--data", t.TempDir(), "--bridge-pool", "10.252.0.0/16", "--controller", "127.0.0.1:1",
		"--ca-pin", "sha256:" + strings.Repeat("ab", 32), "--token", "ppj_" + strings.Repeat("a", 40)}, &out, &errs)
	buf := make([]byte, 64)
	n, err := l.Read(buf)
	if err != nil || string(buf[:n]) != "STOPPING=1" {
		t.Fatalf("%q, %v\n%s", buf[:n], err, &errs)
	}
}

// TestWatchdogOfAnother: what is meant for a parent process is not answered here.
func TestWatchdogOfAnother(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/none")
	t.Setenv("WATCHDOG_USEC", "60000000")
	t.Setenv("WATCHDOG_PID", "1")
	if alive, _ := watchdog(nil); alive != nil {
		t.Error("pings for another process")
	}
}

// TestTokenFileMayBeGone: the agent removes it when this machine is enrolled, and the unit names it for ever.
func TestTokenFileMayBeGone(t *testing.T) {
	data := t.TempDir()
	f := runFlags{tokenFile: filepath.Join(data, "join-token"), format: "text", level: "info", ports: "1-2", pool: "10.213.0.0/16", bind: "0.0.0.0"}
	f.cfg.Data = data
	var errs bytes.Buffer
	if _, err := f.config(&errs); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("not enrolled: %v", err)
	}
	if err := os.WriteFile(filepath.Join(data, "identity.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := f.config(&errs); err != nil || cfg.Token != "" || cfg.TokenFile != f.tokenFile {
		t.Errorf("enrolled: %v, %+v", err, cfg)
	}
}
