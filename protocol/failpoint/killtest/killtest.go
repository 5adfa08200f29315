// Package killtest kills a room at its failpoints, in a process of its own, and lets the test look at what is left.
//
// A test hands its Case to Run and nothing else. Run starts the test's own binary again for each kill: that child does the room's work,
// says what has been acknowledged, and dies at the failpoint as by SIGKILL. The parent then checks that the room opens and that
// everything acknowledged is there. The disk's cache survives such a death: it shows what a kill -9 can do, not what a power failure can.
package killtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Case is what a room does with its durable files.
type Case struct {
	// Points are the failpoints to die at.
	Points []string
	// At are the passes to die at, the first being 1; nil = the first and the third.
	At []int
	// Work opens what is in dir and does numbered things; it calls acked with each number once the room has answered for it.
	// It runs in the child until it dies; when it returns without having died, the failpoint was not reached.
	Work func(ctx context.Context, dir string, acked func(n int)) error
	// Check opens what a child left in dir and fails the test when something up to acked is not there. acked is 0 when nothing was.
	Check func(t *testing.T, dir string, acked int)
}

const (
	envDir = "PPP_KILLTEST_DIR"
	limit  = 30 * time.Second // a child that does not die in that time hangs
)

// Run kills the case's work at each of its points, each time in an empty directory, and then once more in the same one without dying,
// so that what is left can also be worked with.
func Run(t *testing.T, c Case) {
	t.Helper()
	if dir := os.Getenv(envDir); dir != "" {
		child(t, c, dir)
	}
	if c.At == nil {
		c.At = []int{1, 3}
	}
	for _, point := range c.Points {
		for _, at := range c.At {
			t.Run(fmt.Sprintf("%s@%d", point, at), func(t *testing.T) {
				dir := memory(t)
				acked := spawn(t, dir, fmt.Sprintf("%s=kill@%d", point, at), true)
				c.Check(t, dir, acked)
				again := spawn(t, dir, "", false)
				c.Check(t, dir, max(acked, again))
			})
		}
	}
}

// memory is an empty directory in memory where there is one: no disk is under test, and a busy one makes hundreds of syncs slow.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ppp-kill-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// child is the life of the process that is to die.
func child(t *testing.T, c Case, dir string) {
	out := os.NewFile(3, "acknowledged")
	if err := failpoint.Arm(os.Getenv(failpoint.EnvPlan)); err != nil {
		t.Fatal(err)
	}
	err := c.Work(t.Context(), dir, func(n int) { _, _ = fmt.Fprintln(out, n) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	os.Exit(0)
}

// spawn runs a child and gives the last number it acknowledged.
func spawn(t *testing.T, dir, plan string, dies bool) (acked int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	parent, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+parent+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), envDir+"="+dir, failpoint.EnvPlan+"="+plan,
		"GORACE=atexit_sleep_ms=0") // else a child of a -race test lingers for a second
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if acked, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
	}
	_ = r.Close()
	err = cmd.Wait()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	died := status.Signaled() && status.Signal() == syscall.SIGKILL && ctx.Err() == nil
	switch {
	case dies && !died:
		t.Fatalf("the work did not die at %s: %v\n%s", plan, err, said.String())
	case !dies && err != nil:
		t.Fatalf("the work does not go on after the death: %v\n%s", err, said.String())
	}
	return acked
}
