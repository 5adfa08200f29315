package fakehetzner

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	dataDir    = "var/lib/payperplay-agent"
	agentFile  = "usr/local/bin/agent"
	serialFile = "sys/class/dmi/id/product_serial" // where a machine at Hetzner reads its id
)

// args are those of user-data, with paths moved below the disk, then what makes the machine apart from others on this computer.
func (b *ProcessBooter) args(root *os.Root, u userData, m Machine, slot int, disk string) ([]string, error) {
	text, ok := u.variable("PAYPERPLAY_AGENT_ARGS")
	if !ok {
		return nil, errors.New("user-data writes no file with PAYPERPLAY_AGENT_ARGS")
	}
	given := strings.Fields(text)
	if len(given) > 0 && given[0] == "run" {
		given = given[1:]
	}
	args := []string{"run"}
	for i := 0; i < len(given); i++ {
		flag, value, joined := strings.Cut(given[i], "=")
		if !joined && i+1 < len(given) && !strings.HasPrefix(given[i+1], "--") {
			i++
			value, joined = given[i], true
		}
		if within, ok := strings.CutPrefix(value, "/"); ok {
			if flag == "--token-file" {
				if _, err := root.Stat(within); err != nil {
					continue // removed after enrolment
				}
			}
			value = filepath.Join(disk, value)
		}
		if joined {
			flag += "=" + value
		}
		args = append(args, flag)
	}
	from := b.opt.PortFrom + slot*b.opt.Ports
	pool := b.opt.Bridges.Masked().Addr().As4()
	pool[2] += byte(slot)
	pool[1] += byte(slot >> 8)
	args = append(args, "--data="+filepath.Join(disk, dataDir), "--boot-id-file="+filepath.Join(disk, "boot-id"),
		fmt.Sprintf("--ports=%d-%d", from, from+b.opt.Ports-1), "--bridge-pool="+netip.PrefixFrom(netip.AddrFrom4(pool), 24).String())
	if m.Address.IsLoopback() {
		args = append(args, "--bind="+m.Address.String())
	}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--memory") }) {
		args = append(args, "--memory="+strconv.FormatInt(m.Memory, 10))
	}
	if b.opt.DockerHost != "" {
		args = append(args, "--docker-host="+b.opt.DockerHost)
	}
	return append(args, b.opt.Args...), nil
}

// newBootID is random, in the kernel's form.
func newBootID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
