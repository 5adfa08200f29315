package fakehetzner_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
)

func TestControls(t *testing.T) {
	fake, err := fakehetzner.New(fakehetzner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, fake)
	c := dial(url, "fake-token")
	ask := func(method, path, body string, status int) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status {
			t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, text)
		}
		return string(text)
	}
	if got := ask("POST", "/_fake/faults", `{"fault":"locked","on":"GET /servers/*","times":1,"delay":"5s"}`, 201); strings.TrimSpace(got) != `{"id":1}` {
		t.Errorf("injected as %s", got)
	}
	_, _, err = c.Server.GetByID(t.Context(), 5)
	code(t, err, hcloud.ErrorCodeLocked)
	if got := ask("GET", "/_fake/faults", "", 200); !strings.Contains(got, `"hits":1`) || !strings.Contains(got, `"delay":"5s"`) {
		t.Errorf("in force: %s", got)
	}
	ask("POST", "/_fake/faults", `{"fault":"boom"}`, 422)
	ask("POST", "/_fake/faults", `{"fault":"lag","delay":"soon"}`, 422)
	ask("POST", "/_fake/faults", `{"faults":"typo"}`, 400)
	ask("DELETE", "/_fake/faults/1", "", 204)
	ask("DELETE", "/_fake/faults", "", 204)
	if got := ask("GET", "/_fake/faults", "", 200); strings.TrimSpace(got) != "[]" {
		t.Errorf("in force: %s", got)
	}
	ask("PUT", "/_fake/stock", `{"type":"cx23","location":"fsn1","left":1}`, 204)
	ask("PUT", "/_fake/stock", `{"type":"none","left":1}`, 404)
	s := create(t, c, order("m"))
	_, _, err = c.Server.Create(t.Context(), order("n"))
	code(t, err, hcloud.ErrorCodeResourceUnavailable)
	if got := ask("GET", "/_fake/stock", "", 200); !strings.Contains(got, `{"type":"cx23","location":"fsn1","left":0}`) {
		t.Errorf("stock: %s", got)
	}
	var inv fakehetzner.Inventory
	if err := json.Unmarshal([]byte(ask("GET", "/_fake/machines", "", 200)), &inv); err != nil || len(inv.Machines) != 1 || inv.Machines[0].Name != "m" {
		t.Errorf("machines: %+v, %v", inv, err)
	}
	var bill fakehetzner.Bill
	if err := json.Unmarshal([]byte(ask("GET", "/_fake/bill", "", 200)), &bill); err != nil || len(bill.Rows) != 1 || bill.Total != 6800 {
		t.Errorf("bill: %+v, %v", bill, err)
	}
	ask("DELETE", "/_fake/machines/"+inv.Machines[0].ID, "", 204)
	ask("DELETE", "/_fake/machines/"+inv.Machines[0].ID, "", 404)
	if got, _, err := c.Server.GetByID(t.Context(), s.ID); got != nil || err != nil {
		t.Errorf("it is still there: %v, %v", got, err)
	}
}
