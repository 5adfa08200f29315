package cloudtest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
)

func testCreate(t *testing.T, r Rig) {
	before := time.Now()
	made := r.create(t, r.Provider, r.order("one"))
	if made.ID == "" || made.Name != "one" || made.Type != r.Order.Type || made.Location != r.Order.Location || made.State != cloud.Starting {
		t.Errorf("Create gave %+v", made)
	}
	if made.Created.Before(before.Add(-time.Minute)) || made.Created.After(time.Now().Add(time.Minute)) {
		t.Errorf("it was created %v", made.Created)
	}
	on := r.until(t, made.ID, cloud.On)
	for k, v := range map[string]string{
		cloud.LabelManagedBy: cloud.ManagedBy, cloud.LabelCluster: cloud.LabelValue(r.Cluster), cloud.LabelRole: string(cloud.RoleWorker), cloud.LabelMachine: "mach-one",
	} {
		if on.Labels[k] != v {
			t.Errorf("label %s is %q, want %q", k, on.Labels[k], v)
		}
	}
	if on.IPv4 == "" || on.Image == "" {
		t.Errorf("a machine that is on is %+v", on)
	}
	named, err := r.Provider.ByName(t.Context(), "one")
	if err != nil || named.ID != made.ID || !cloud.Ours(named.Labels, r.Cluster) {
		t.Errorf("ByName: %+v, %v", named, err)
	}
	list, err := r.Provider.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != made.ID || list[0].IPv4 != on.IPv4 {
		t.Errorf("List: %+v, %v", list, err)
	}
	_, err = r.Provider.ByName(t.Context(), "on")
	r.fails(t, "ByName of a part of a name", err, cloud.NotFound)
	for _, id := range []string{"", "4711", "no-number", "-1"} {
		_, err = r.Provider.Get(t.Context(), id)
		r.fails(t, "Get "+id, err, cloud.NotFound)
	}
	r.create(t, r.Provider, func() cloud.Order { o := r.order("two"); o.Labels = nil; return o }())
	if two, err := r.Provider.ByName(t.Context(), "two"); err != nil || !cloud.Ours(two.Labels, r.Cluster) {
		t.Errorf("an order without labels made %+v, %v: want ours", two, err)
	}
}

func testCreateInvalid(t *testing.T, r Rig) {
	for what, change := range map[string]func(*cloud.Order){
		"no name":          func(o *cloud.Order) { o.Name = "" },
		"a name of spaces": func(o *cloud.Order) { o.Name = "a b" },
		"a long name":      func(o *cloud.Order) { o.Name = strings.Repeat("a", 64) },
		"no type":          func(o *cloud.Order) { o.Type = "" },
		"unknown type":     func(o *cloud.Order) { o.Type = "nothing1" },
		"unknown location": func(o *cloud.Order) { o.Location = "atlantis" },
		"unknown image":    func(o *cloud.Order) { o.Image = "nothing-1" },
		"image gone":       func(o *cloud.Order) { o.Image = "99999999" },
		"network gone":     func(o *cloud.Order) { o.Fixtures.Network = "99999999" },
		"no id":            func(o *cloud.Order) { o.Fixtures.Firewall = "x" },
		"unknown SSH key":  func(o *cloud.Order) { o.SSHKey = "nobody" },
	} {
		o := r.order("wrong")
		change(&o)
		_, err := r.Provider.Create(t.Context(), o)
		r.fails(t, what, err, cloud.Invalid)
	}
	r.machines(t, 0, "every order was wrong")
}

func testCreateUserData(t *testing.T, r Rig) {
	o := r.order("fits")
	o.UserData = append([]byte("#cloud-config\n#"), bytes.Repeat([]byte("x"), cloud.UserDataMax-15)...)
	r.create(t, r.Provider, o)
	before := r.World.Requests()
	o.Name, o.UserData = "does-not", append(o.UserData, 'x')
	_, err := r.Provider.Create(t.Context(), o)
	r.fails(t, "user-data of 32 KiB and a byte", err, cloud.Invalid)
	if n := r.World.Requests() - before; n != 0 {
		t.Errorf("%d requests were made for an order that cannot be", n)
	}
}

func testCreateSameName(t *testing.T, r Rig) {
	made := r.create(t, r.Provider, r.order("one"))
	other := r.order("one")
	other.Location = r.Elsewhere
	for _, o := range []cloud.Order{r.order("one"), other} {
		_, err := r.Provider.Create(t.Context(), o)
		r.fails(t, "a second order of a name", err, cloud.Exists)
	}
	_, err := r.Open(t, Who{Cluster: "another-cluster"}).Create(t.Context(), r.order("one"))
	r.fails(t, "an order of another cluster's name", err, cloud.Exists)
	r.machines(t, 1, "they all had the same name")
	if err := r.Provider.Delete(t.Context(), r.until(t, made.ID, cloud.On).ID); err != nil {
		t.Fatal(err)
	}
	r.gone(t, made.ID)
	if again := r.create(t, r.Provider, r.order("one")); again.ID == made.ID {
		t.Error("a machine has come back")
	}
}

// testCreateSameNameAtOnce: a name is ordered by a hundred callers, and one machine comes of it.
func testCreateSameNameAtOnce(t *testing.T, r Rig) {
	const callers = 100
	drivers := []cloud.Provider{r.Provider, r.Open(t, Who{Cluster: r.Cluster})}
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, errs[i] = drivers[i%2].Create(t.Context(), r.order("one"))
		}()
	}
	wg.Wait()
	made := 0
	for i, err := range errs {
		if err == nil {
			made++
			continue
		}
		r.fails(t, fmt.Sprintf("caller %d", i), err, cloud.Exists)
	}
	if made != 1 {
		t.Errorf("%d callers were told that they had made it", made)
	}
	r.machines(t, 1, "they all ordered the same")
}

// testCreateReplyLost is F18.
func testCreateReplyLost(t *testing.T, r Rig) {
	for i, f := range []Fault{LoseReply, FailAfter} {
		name := fmt.Sprintf("lost-%d", i)
		r.World.Inject(t, f, OnCreate)
		_, err := r.Provider.Create(t.Context(), r.order(name))
		r.fails(t, string(f), err, cloud.Uncertain)
		if !cloud.Passing(err) {
			t.Errorf("%s: asking again will tell, and it says not", f)
		}
		m, err := r.Provider.ByName(t.Context(), name)
		if err != nil || m.Labels[cloud.LabelMachine] != "mach-"+name {
			t.Errorf("%s: ByName: %+v, %v, want the machine that was made", f, m, err)
		}
		_, err = r.Provider.Create(t.Context(), r.order(name))
		r.fails(t, string(f)+", again", err, cloud.Exists)
	}
	r.machines(t, 2, "each order was done once")
}

func testCreateRequestLost(t *testing.T, r Rig) {
	for i, f := range []Fault{LoseRequest, FailBefore} {
		name := fmt.Sprintf("lost-%d", i)
		r.World.Inject(t, f, OnCreate)
		_, err := r.Provider.Create(t.Context(), r.order(name))
		r.fails(t, string(f), err, cloud.Uncertain, cloud.Unavailable)
		_, err = r.Provider.ByName(t.Context(), name)
		r.fails(t, string(f)+", ByName", err, cloud.NotFound)
		r.create(t, r.Provider, r.order(name))
	}
	r.machines(t, 2, "each order was done once, the second time")
}

func testCreateNoStock(t *testing.T, r Rig) {
	r.World.Stock(t, r.Order.Type, r.Order.Location, 1)
	r.create(t, r.Provider, r.order("last"))
	_, err := r.Provider.Create(t.Context(), r.order("none"))
	r.fails(t, "an order without stock", err, cloud.NoStock)
	if cloud.Passing(err) {
		t.Error("the same order again cannot help, and it says that it may")
	}
	other := r.order("none")
	other.Location = r.Elsewhere
	r.create(t, r.Provider, other)
	r.machines(t, 2, "one here, one elsewhere")

	c, err := r.Open(t, Who{Cluster: r.Cluster}).Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, here, _ := c.Find(r.Order.Type, r.Order.Location)
	_, there, _ := c.Find(r.Order.Type, r.Elsewhere)
	if here.InStock || !there.InStock {
		t.Errorf("the catalogue says %+v and %+v", here, there)
	}
}

// testCreateLimitAndPages fills the project: the list has all pages, the other cluster's machines excepted, and one more is refused.
func testCreateLimitAndPages(t *testing.T, r Rig) {
	other := r.Open(t, Who{Cluster: "another-cluster"})
	want := map[string]bool{}
	for i := range r.MaxMachines {
		name := fmt.Sprintf("m-%03d", i)
		if i == 3 {
			r.create(t, other, r.order(name))
			continue
		}
		want[r.create(t, r.Provider, r.order(name)).ID] = true
	}
	list, err := r.Provider.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if !want[m.ID] {
			t.Errorf("machine %s is listed twice, or is another cluster's", m.Name)
		}
		delete(want, m.ID)
	}
	if len(want) > 0 {
		t.Errorf("%d of %d machines are not listed", len(want), r.MaxMachines)
	}
	_, err = r.Provider.Create(t.Context(), r.order("too-many"))
	r.fails(t, "a machine above the limit", err, cloud.Limit)
	if cloud.Passing(err) {
		t.Error("a limit does not pass by itself, and it says that it may")
	}
	r.machines(t, r.MaxMachines, "one more was refused")
}

func testCreateBusy(t *testing.T, r Rig) {
	for f, kind := range map[Fault]cloud.Kind{Conflict: cloud.Busy, TooMany: cloud.RateLimited} {
		r.World.Inject(t, f, OnCreate)
		_, err := r.Provider.Create(t.Context(), r.order("one"))
		r.fails(t, string(f), err, kind)
		if !cloud.Passing(err) {
			t.Errorf("%s: it passes, and it says not", f)
		}
	}
	r.machines(t, 0, "nothing was done")
}

func testListLags(t *testing.T, r Rig) {
	made := r.on(t, r.Provider, r.order("new"))
	r.World.Lag(t, time.Hour)
	list, err := r.Provider.List(t.Context())
	if err != nil || len(list) != 0 {
		t.Fatalf("a list that lags is %v, %v: the rig does not lag", list, err)
	}
	if m, err := r.Provider.Get(t.Context(), made.ID); err != nil || m.Name != "new" {
		t.Errorf("Get: %+v, %v: it must not ask a list", m, err)
	}
	if m, err := r.Provider.ByName(t.Context(), "new"); err != nil || m.ID != made.ID {
		t.Errorf("ByName: %+v, %v", m, err)
	}
	if err := r.Provider.Delete(t.Context(), made.ID); err != nil {
		t.Errorf("Delete: %v", err)
	}
	r.gone(t, made.ID)
	r.World.Heal()
	if list, err := r.Provider.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("List: %v, %v", list, err)
	}
}
