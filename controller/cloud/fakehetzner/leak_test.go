package fakehetzner_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
)

// TestNothingIsLeftAfterAThousandOrders is the fake's own side of the leak test: whatever faults there are, what a stubborn client ends is
// gone, names are never there twice, and the witness adds up.
func TestNothingIsLeftAfterAThousandOrders(t *testing.T) {
	fake, err := fakehetzner.New(fakehetzner.Options{
		Seed: 3, Limits: fakehetzner.Limits{Servers: 1000, PrimaryIPs: 10_000}, Rate: fakehetzner.Rate{Burst: 1_000_000},
		Faults: fakehetzner.Faults{LoseReplies: 0.1, LoseRequests: 0.02, ErrorsBefore: 0.02, ErrorsAfter: 0.02, Conflicts: 0.02, ActionFails: 0.05, NoStock: 0.02, Vanish: 0.02}.Rules(),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(fake.Handler()) // unchecked: thousands of requests, of kinds that other tests check
	defer srv.Close()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := dial(srv.URL, "fake-token")
			for i := range 125 {
				name := fmt.Sprintf("m-%d-%d", w, i)
				for n := 0; ; n++ {
					_, _, err := c.Server.Create(t.Context(), order(name))
					if err == nil || hcloud.IsError(err, hcloud.ErrorCodeUniquenessError) {
						break
					}
					if n > 50 {
						t.Errorf("%s cannot be ordered: %v", name, err)
						return
					}
				}
				end(t, c, name)
			}
		}()
	}
	wg.Wait()
	inv := fake.Inventory()
	if len(inv.Machines) != 0 || len(inv.Things) != 0 {
		t.Errorf("left over: %d machines, %+v", len(inv.Machines), inv.Things)
	}
	if done := inv.Counters.Done["POST /servers"]; done != len(inv.Past) || done < 1000 {
		t.Errorf("%d orders were done, and %d machines were", done, len(inv.Past))
	}
	if bill := fake.Bill(inv.Past[len(inv.Past)-1].Deleted); len(bill.Rows) != len(inv.Past) {
		t.Errorf("%d machines, %d on the bill", len(inv.Past), len(bill.Rows))
	}
}

// end deletes a machine by its name until it is gone.
func end(t *testing.T, c *hcloud.Client, name string) {
	for n := 0; ; n++ {
		s, _, err := c.Server.GetByName(t.Context(), name)
		if err == nil && s == nil {
			return
		}
		if err == nil {
			_, _, err = c.Server.DeleteWithResult(t.Context(), s)
		}
		if n > 50 {
			t.Errorf("%s cannot be deleted: %v", name, errors.Join(err))
			return
		}
	}
}
