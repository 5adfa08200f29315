package host

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestKernelNamesTheContainer: only the kernel's own record counts, and only that of the group whose memory was used up.
func TestKernelNamesTheContainer(t *testing.T) {
	const id = "2448ec3cc432941ff7046c806522f1915bba31ea89ea5f3797b23888dd341eca"
	for name, c := range map[string]struct {
		records []string
		want    bool
	}{
		"cgroup v1":         {[]string{"6,1,1,-;eth0: up", "6,2,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=" + id + ",mems_allowed=0,oom_memcg=/docker/" + id + ",task_memcg=/docker/" + id + ",task=java,pid=1,uid=1000\n"}, true},
		"cgroup v2":         {[]string{"6,2,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/system.slice/docker-" + id + ".scope,task_memcg=/x,task=java"}, true},
		"the whole machine": {[]string{"6,2,2,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=" + id + ",global_oom,task_memcg=/docker/" + id + ",task=java"}, false},
		"another container": {[]string{"6,2,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/docker/ffff,task_memcg=/docker/" + id}, false},
		"somebody's words":  {[]string{"12,2,2,-;game: oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/docker/" + id}, false},
		"empty":             {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			records, lost := c.records, true
			read := func(p []byte) (int, error) {
				if lost {
					lost = false
					return 0, unix.EPIPE
				}
				if len(records) == 0 {
					return 0, unix.EAGAIN
				}
				n := copy(p, records[0])
				records = records[1:]
				return n, nil
			}
			if got := namesContainer(read, id); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
	if namesContainer(func([]byte) (int, error) { return 0, unix.EAGAIN }, "") {
		t.Error("no container was named")
	}
}
