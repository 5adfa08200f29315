package fakehetzner

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// tick is how often Run looks without being asked: slow boots and actions that end while nobody polls.
const tick = 50 * time.Millisecond

// unit is a machine with power.
type unit struct {
	id     int64
	boots  int           // of which boot it is
	booted chan struct{} // closed when Boot has returned
	cancel context.CancelFunc
	stop   func() // nil if it failed
	ending bool
}

// Run keeps machines that are on booted, until ctx ends; then all power is cut. Without Options.Boot it only lets time pass.
func (c *Cloud) Run(ctx context.Context) error {
	units := map[int64]*unit{}
	ended := make(chan *unit)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for ctx.Err() == nil {
		c.power(ctx, units, ended)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-c.wake:
		case u := <-ended:
			c.off(units, u)
		}
	}
	for _, u := range units {
		c.cut(u, ended)
	}
	for len(units) > 0 {
		c.off(units, <-ended)
	}
	return nil
}

// power compares what is on with what shall be on. One that shall be off is off before it is booted again.
func (c *Cloud) power(ctx context.Context, units map[int64]*unit, ended chan<- *unit) {
	c.mu.Lock()
	c.settle()
	want := map[int64]Machine{}
	if c.opt.Boot != nil {
		for _, s := range c.servers.rows {
			if s.on && !s.neverJoin && !s.bootsAt.After(c.now()) {
				want[s.ID] = s.machine()
			}
		}
	}
	for id := range want {
		if units[id] == nil {
			c.powered[id] = want[id].Boots
		}
	}
	c.mu.Unlock()
	for id, u := range units {
		if want[id].Boots != u.boots {
			c.cut(u, ended)
		}
	}
	for id, m := range want {
		if units[id] == nil {
			alive, cancel := context.WithCancel(ctx)
			u := &unit{id: id, boots: m.Boots, booted: make(chan struct{}), cancel: cancel}
			units[id] = u
			go c.boot(alive, u, m)
		}
	}
}

func (c *Cloud) boot(ctx context.Context, u *unit, m Machine) {
	defer close(u.booted)
	stop, err := c.opt.Boot.Boot(ctx, m)
	if err != nil {
		c.log.Warn("a machine does not boot", "machine", m.Name, "id", m.ID, "err", err)
		return
	}
	u.stop = sync.OnceFunc(stop)
	c.log.Info("a machine is booted", "machine", m.Name, "id", m.ID, "boot", m.Boots, "address", m.Address)
}

// cut takes the power away, once; ended tells when it is done.
func (c *Cloud) cut(u *unit, ended chan<- *unit) {
	if u.ending {
		return
	}
	u.ending = true
	u.cancel() // a boot that is under way ends, too
	go func() {
		<-u.booted
		if u.stop != nil {
			u.stop()
		}
		ended <- u
	}()
}

// off notes that a machine has no power, and throws its disk away if it is gone for good.
func (c *Cloud) off(units map[int64]*unit, u *unit) {
	delete(units, u.id)
	c.mu.Lock()
	delete(c.powered, u.id)
	s, there := c.servers.rows[u.id]
	gone := !there || s.status == "deleting"
	c.mu.Unlock()
	if w, ok := c.opt.Boot.(Wiper); ok && gone {
		w.Wipe(strconv.FormatInt(u.id, 10))
	}
	c.kick()
}

// machine is what the Booter is told.
func (s *server) machine() Machine {
	m := Machine{
		ID: strconv.FormatInt(s.ID, 10), N: s.n, Boots: s.boots, Name: s.Name, Labels: s.info().Labels, UserData: s.userData, Type: s.kind.Type.Name,
		Arch: "amd64", CPUs: s.kind.CPUs, Memory: int64(s.kind.MemoryGB * (1 << 30)), Location: s.at.name,
		Image: strconv.FormatInt(s.image.ID, 10), ImageName: s.image.Name, Address: s.address(), Private: s.private(),
	}
	if s.kind.Arm {
		m.Arch = "arm64"
	}
	return m
}
