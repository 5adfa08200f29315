package state

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/payperplay/payperplay/protocol"
)

// TestF12DiskFull: tenants have filled the disk. The reserved space lets the agent write on; then writes fail visibly and nothing is lost.
func TestF12DiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	j, err := Open(Options{Dir: dir, Boot: "b", BridgePool: netip.MustParsePrefix("10.0.0.0/24")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	tenant, err := os.Create(filepath.Join(dir, "world"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tenant.Close() }()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = tenant.Write(block)
	}
	acked := 0
	for acked < 100_000 {
		var batch []protocol.Fact
		for i := range 100 {
			batch = append(batch, observed(fmt.Sprintf("%0200d", acked+i), protocol.StateRunning, ""))
		}
		if err = j.Append(t.Context(), batch...); err != nil {
			break
		}
		acked += len(batch)
	}
	if protocol.CodeOf(err) != protocol.ReadOnly || acked < 1000 {
		t.Fatalf("after %d reports: %v", acked, err)
	}
	reports, err := j.Next(t.Context(), 0, 1<<20)
	if err != nil || len(reports) != acked {
		t.Fatalf("%d of %d reports are there, %v", len(reports), acked, err)
	}
	if _, err := os.Stat(filepath.Join(dir, reserveName)); !os.IsNotExist(err) {
		t.Errorf("the reserved space was not given back: %v", err)
	}
	if err := tenant.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), observed("later", protocol.StateRunning, "")); err != nil {
		t.Fatalf("it does not recover by itself: %v", err)
	}
	if n := j.Waiting(); n != int64(acked)+1 {
		t.Fatalf("%d wait, want %d", n, acked+1)
	}
}
