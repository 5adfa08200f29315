package hetzner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/cloud/hetzner"
)

func TestTokenShowsNothing(t *testing.T) {
	token := hetzner.Token("very-secret")
	options := hetzner.Options{Token: token, Cluster: cluster}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", token, options)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "token", token, "options", fmt.Sprint(options))
	}
	text, err := json.Marshal(map[string]any{"token": token})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	for _, spelt := range []string{"very-secret", fmt.Sprintf("%x", "very-secret"), fmt.Sprintf("%X", "very-secret")} {
		if strings.Contains(out.String(), spelt) {
			t.Errorf("the token shows in %s", out.String())
		}
	}
	if token.Reveal() != "very-secret" {
		t.Error("it is lost")
	}
}

func TestOptions(t *testing.T) {
	good := hetzner.Options{Token: "t0ken", Cluster: cluster}
	for what, change := range map[string]func(*hetzner.Options){
		"no token":             func(o *hetzner.Options) { o.Token = "" },
		"a line break":         func(o *hetzner.Options) { o.Token = "t0ken\n" },
		"no cluster":           func(o *hetzner.Options) { o.Cluster = "" },
		"no URL":               func(o *hetzner.Options) { o.Endpoint = "api.hetzner.cloud" },
		"another scheme":       func(o *hetzner.Options) { o.Endpoint = "ftp://api.hetzner.cloud/v1" },
		"token in the clear":   func(o *hetzner.Options) { o.Endpoint = "http://api.hetzner.cloud/v1" },
		"in the clear, by IP":  func(o *hetzner.Options) { o.Endpoint = "http://8.8.8.8/v1" },
		"in the clear, by IPs": func(o *hetzner.Options) { o.Endpoint = "http://[2001:db8::1]/v1" },
	} {
		o := good
		change(&o)
		if _, err := hetzner.New(o); err == nil || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: got error %v", what, err)
		}
	}
	for _, endpoint := range []string{"", "https://api.hetzner.cloud/v1", "http://127.0.0.1:80/v1", "http://localhost/v1", "http://[::1]:8/v1", "http://10.0.0.1/v1"} {
		o := good
		o.Endpoint = endpoint
		if _, err := hetzner.New(o); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
