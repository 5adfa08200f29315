package host

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

const kernelLog = "/dev/kmsg"

// KilledForMemory tells whether the kernel's log says that it ended a process of a container, by its full id, because the container's
// memory was used up. It is the second witness: an engine is told of that on another way than of the container's end, and on a busy
// machine sometimes never. False also where the log cannot be read or has gone on.
func KilledForMemory(container string) bool {
	fd, err := unix.Open(kernelLog, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	return namesContainer(func(p []byte) (int, error) { return unix.Read(fd, p) }, container)
}

// namesContainer reads records, one a call as /dev/kmsg gives them, until there are no more.
// A record of the kernel (mm/oom_kill.c, dump_oom_summary): "3,…;oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/docker/ID,task_memcg=/docker/ID,task=…".
func namesContainer(read func([]byte) (int, error), container string) bool {
	if container == "" {
		return false
	}
	record := make([]byte, 8<<10) // the kernel's longest
	for {
		n, err := read(record)
		if errors.Is(err, unix.EPIPE) {
			continue // the log went on faster than we read
		}
		if err != nil || n <= 0 {
			return false
		}
		_, text, _ := bytes.Cut(record[:n], []byte(";"))
		if rest, ok := bytes.CutPrefix(text, []byte("oom-kill:")); ok {
			_, group, _ := bytes.Cut(rest, []byte(",oom_memcg="))
			group, _, _ = bytes.Cut(group, []byte(","))
			if bytes.Contains(group, []byte(container)) {
				return true
			}
		}
	}
}
