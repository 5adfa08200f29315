package hetzner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/controller/cloud/hetzner"
)

// TestOrderOnTheWire: what is sent is what was ordered, and no key unless one is.
func TestOrderOnTheWire(t *testing.T) {
	var sent []map[string]any
	d := against(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"ssh_keys":[{"id":7,"name":"mine"}],"meta":{}}`)
			return
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		sent = append(sent, body)
		_, _ = io.WriteString(w, `{"server":{"id":1,"name":"one","status":"initializing"}}`)
	}))
	o := anOrder()
	o.Labels = map[string]string{cloud.LabelRole: "edge", cloud.LabelMachine: "mach_01", cloud.LabelCluster: "somebody-else"}
	if _, err := d.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.SSHKey, o.Image, o.Fixtures = "mine", "77", cloud.Fixtures{Network: "1", Firewall: "2", Spread: "3"}
	if _, err := d.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	plain := map[string]any{
		"name": "one", "server_type": "cx23", "image": "debian-12", "location": "fsn1", "user_data": "#cloud-config\n", "start_after_create": true,
		"public_net": map[string]any{"enable_ipv4": true, "enable_ipv6": true},
		"labels":     map[string]any{"managed-by": "payperplay", "cluster": cluster, "role": "edge", "machine": cloud.LabelValue("mach_01")},
	}
	if diff := cmp.Diff(plain, sent[0]); diff != "" {
		t.Error(diff)
	}
	for k, v := range map[string]any{
		"ssh_keys": []any{7.0}, "image": 77.0, "networks": []any{1.0}, "firewalls": []any{map[string]any{"firewall": 2.0}}, "placement_group": 3.0,
	} {
		if diff := cmp.Diff(v, sent[1][k]); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
}

// TestStates: "off" and nothing else is Off.
func TestStates(t *testing.T) {
	for word, want := range map[string]cloud.State{
		"initializing": cloud.Starting, "starting": cloud.Starting, "running": cloud.On, "stopping": cloud.On, "off": cloud.Off, "deleting": cloud.Leaving,
		"migrating": cloud.Unclear, "rebuilding": cloud.Unclear, "unknown": cloud.Unclear, "a new word": cloud.Unclear, "": cloud.Unclear,
	} {
		d := against(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"server":{"id":1,"name":"one","status":%q,"image":null,"public_net":{"ipv4":null,"ipv6":{"ip":"2001:db8::/64"}}}}`, word)
		}))
		m, err := d.Get(t.Context(), "1")
		if err != nil || m.State != want || m.IPv4 != "" || m.IPv6 != "2001:db8::1" || m.Private != "" || m.Image != "" {
			t.Errorf("%q: %+v, %v, want state %s", word, m, err, want)
		}
	}
}

// TestPagesThatGoRound: a provider that always has a next page does not hold us for ever.
func TestPagesThatGoRound(t *testing.T) {
	requests := 0
	d := against(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"servers":[{"id":%d,"labels":{"managed-by":"payperplay","cluster":%q}}],"meta":{"pagination":{"page":%d,"next_page":%d}}}`, page, cluster, page, page%3+1)
	}))
	list, err := d.List(t.Context())
	if err != nil || len(list) != 3 || requests != 3 {
		t.Errorf("%d machines of %d requests, %v", len(list), requests, err)
	}
}

// TestListBelievesLabelsOnly: a provider that ignores the selector shows us nothing that is not ours.
func TestListBelievesLabelsOnly(t *testing.T) {
	d := against(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := r.URL.Query().Get("label_selector"); s != "managed-by=payperplay,cluster="+cluster {
			t.Errorf("the selector is %q", s)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"servers":[{"id":1,"labels":{"managed-by":"payperplay","cluster":"other"}},{"id":2,"labels":{"cluster":%q}},{"id":3,"labels":{"managed-by":"payperplay","cluster":%q}}],"meta":{}}`, cluster, cluster)
	}))
	if list, err := d.List(t.Context()); err != nil || len(list) != 1 || list[0].ID != "3" {
		t.Errorf("List: %v, %v", list, err)
	}
}

// TestOffWaits: power that is not off is not called so, whatever happens while it waits.
func TestOffWaits(t *testing.T) {
	type step struct {
		status int
		body   string
	}
	action := func(status string) step {
		return step{200, fmt.Sprintf(`{"action":{"id":9,"status":%q,"command":"stop_server","error":{"code":"action_failed","message":"no"}}}`, status)}
	}
	failing := func(status int, code string) step {
		return step{status, fmt.Sprintf(`{"error":{"code":%q,"message":"x"}}`, code)}
	}
	for name, x := range map[string]struct {
		polls []step // the last one is repeated
		want  cloud.Kind
	}{
		"at once":                {[]step{action("success")}, ""},
		"after a while":          {[]step{action("running"), action("running"), action("success")}, ""},
		"after a failure to ask": {[]step{failing(503, "maintenance"), failing(423, "locked"), action("success")}, ""},
		"it fails":               {[]step{action("running"), action("error")}, cloud.Unavailable},
		"never":                  {[]step{action("running")}, cloud.Uncertain},
		"forgotten":              {[]step{failing(404, "not_found")}, cloud.Uncertain},
		"not to be asked":        {[]step{failing(403, "forbidden")}, cloud.Uncertain},
		"always down":            {[]step{failing(500, "server_error")}, cloud.Uncertain},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			polled := 0
			d := against(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				s := step{200, fmt.Sprintf(`{"server":{"id":1,"status":"running","labels":{"managed-by":"payperplay","cluster":%q}}}`, cluster)}
				switch {
				case r.Method == http.MethodPost:
					s = action("running")
				case strings.HasPrefix(r.URL.Path, "/v1/actions/"):
					mu.Lock()
					s = x.polls[min(polled, len(x.polls)-1)]
					polled++
					mu.Unlock()
				}
				w.WriteHeader(s.status)
				_, _ = io.WriteString(w, s.body)
			}), func(o *hetzner.Options) { o.Patience = 50 * time.Millisecond })
			if err := d.Off(t.Context(), "1"); cloud.KindOf(err) != x.want {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

// TestOffOfWhatIsOff: nothing is sent.
func TestOffOfWhatIsOff(t *testing.T) {
	d := against(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s was sent", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"server":{"id":1,"status":"off","labels":{"managed-by":"payperplay","cluster":%q}}}`, cluster)
	}))
	if err := d.Off(t.Context(), "1"); err != nil {
		t.Error(err)
	}
}

// TestRemoveLooksItself: the real provider takes a network from under its machines, so it is not asked to.
func TestRemoveLooksItself(t *testing.T) {
	for kind, answer := range map[cloud.ThingKind]string{
		cloud.ThingNetwork: `"network":{"id":1,"servers":[7],"ip_range":"10.0.0.0/16"`, cloud.ThingFirewall: `"firewall":{"id":1,"applied_to":[{"type":"label_selector","label_selector":{"selector":"a"}}]`,
		cloud.ThingVolume: `"volume":{"id":1,"server":7`, cloud.ThingSpread: `"placement_group":{"id":1,"servers":[7]`, cloud.ThingAddress: `"primary_ip":{"id":1,"assignee_id":7,"ip":"192.0.2.1"`,
	} {
		d := against(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				t.Errorf("%s %s was sent for what is in use", r.Method, r.URL.Path)
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{%s,"labels":{"managed-by":"payperplay","cluster":%q}}}`, answer, cluster)
		}))
		if err := d.Remove(t.Context(), cloud.Thing{Kind: kind, ID: "1"}); cloud.KindOf(err) != cloud.Busy {
			t.Errorf("%s: got error %v, want %s", kind, err, cloud.Busy)
		}
	}
}

// TestProtected: what an operator has protected is not deleted, and the error says so.
func TestProtected(t *testing.T) {
	w := newWorld(t, fakehetzner.Options{})
	d := w.open(t, hetzner.Options{})
	m, err := d.Create(t.Context(), anOrder())
	if err != nil {
		t.Fatal(err)
	}
	id, _ := strconv.ParseInt(m.ID, 10, 64)
	action, _, err := w.hand.Server.ChangeProtection(t.Context(), &hcloud.Server{ID: id}, hcloud.ServerChangeProtectionOpts{Delete: new(true), Rebuild: new(true)})
	if err == nil {
		err = w.hand.Action.WaitFor(t.Context(), action)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), m.ID); cloud.KindOf(err) != cloud.Denied {
		t.Errorf("Delete: got error %v, want %s", err, cloud.Denied)
	}
	if _, err := d.Get(t.Context(), m.ID); err != nil {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	w := newWorld(t, fakehetzner.Options{})
	d := w.open(t, hetzner.Options{Metrics: registry})
	for range 2 {
		_, _ = d.Create(t.Context(), anOrder())
	}
	_, _ = d.Get(t.Context(), "4711")
	want := `
# HELP payperplay_cloud_rate_limit_remaining Requests that the cloud provider will take now.
# TYPE payperplay_cloud_rate_limit_remaining gauge
payperplay_cloud_rate_limit_remaining 3597
# HELP payperplay_cloud_requests_total Requests to the cloud provider, by call and by how they ended (ok, or the kind of the error).
# TYPE payperplay_cloud_requests_total counter
payperplay_cloud_requests_total{call="create_server",result="exists"} 1
payperplay_cloud_requests_total{call="create_server",result="ok"} 1
payperplay_cloud_requests_total{call="get_server",result="ok"} 1
`
	if err := testutil.GatherAndCompare(registry, bytes.NewBufferString(want), "payperplay_cloud_requests_total", "payperplay_cloud_rate_limit_remaining"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(registry, "payperplay_cloud_request_seconds"); n != 2 {
		t.Errorf("%d calls were timed, want 2", n)
	}
	if _, err := hetzner.New(hetzner.Options{Token: goodToken, Cluster: cluster, Metrics: registry}); err == nil {
		t.Error("two drivers share a registry without an error")
	}
}

// TestRateLimitOfTheProject: a bucket that others empty too is kept in step with, and orders go before reads.
func TestRateLimitOfTheProject(t *testing.T) {
	w := newWorld(t, fakehetzner.Options{Rate: fakehetzner.Rate{Burst: 40, PerSecond: 4}})
	d := w.open(t, hetzner.Options{Patience: 20 * time.Second})
	for i := range 45 {
		o := anOrder()
		o.Name = fmt.Sprintf("m-%d", i)
		if _, err := d.Create(t.Context(), o); err != nil {
			t.Fatalf("order %d: %v", i, err)
		}
	}
	if n := w.fake.Inventory().Counters.RateLimited; n > 5 {
		t.Errorf("the provider has said %d times that it is too much", n)
	}
}
