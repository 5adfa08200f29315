// Package hetzner is the driver of the cloud port for Hetzner Cloud. It is the only room that knows hcloud-go, and none of that client's
// types leaves it.
//
// Every request goes through ask (call.go): it waits for its place in the project's rate limit (bucket.go), is made once (the client's own
// retries are off: callers repeat, with back-off of theirs), is counted, and its error gets a Kind (error.go). Whether a change that failed
// may have been done is decided there and nowhere else: once its bytes may have left, a lost answer or a 5xx is Uncertain.
//
// One file per verb: create.go, delete.go, power.go, image.go, market.go (cache) and price.go, ground.go with network.go, firewall.go and
// spread.go, leftover.go.
package hetzner

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/cloud"
)

// maxReply bounds what is read of one answer.
const maxReply = 32 << 20

// Options of a Driver. Token and Cluster are needed.
type Options struct {
	Token    Token
	Endpoint string // default: the provider's; with the version, as in "http://127.0.0.1:8099/v1"
	Cluster  string // id; labels carry it
	Version  string // of the controller, for the provider's log
	// HTTPClient makes the requests; nil: one with deadlines. With a Transport that is no *http.Transport any error that does not come from
	// dialling counts as one after the request was sent.
	HTTPClient *http.Client
	Logger     *slog.Logger          // nil: silent
	Metrics    prometheus.Registerer // nil: none
	Poll       time.Duration         // between two looks at an action; 0 = 1 s
	Timeout    time.Duration         // of one request; 0 = 30 s
	Patience   time.Duration         // how long a call waits for its place in the rate limit, or for an action; 0 = 30 s and 4 times that
	PerHour    int                   // requests; 0 = 3,600, until the provider's answers say otherwise
}

func (o Options) validate() error {
	switch {
	case o.Token == "":
		return errors.New("hetzner: a token is needed: set HETZNER_CLOUD_TOKEN")
	case strings.ContainsFunc(o.Token.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("hetzner: the token holds a space, a line break or another character that none has: check HETZNER_CLOUD_TOKEN")
	case o.Cluster == "":
		return errors.New("hetzner: the cluster's id is needed")
	case o.Endpoint == "":
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("hetzner: the endpoint is not like https://api.hetzner.cloud/v1")
	}
	if ip, _ := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && !ip.IsLoopback() && !ip.IsPrivate() {
		return errors.New("hetzner: the endpoint must be https: the token would cross the Internet in the clear")
	}
	return nil
}

// Driver is one project at Hetzner Cloud, as one cluster of ours sees it.
type Driver struct {
	client   *hcloud.Client
	token    Token
	cluster  string // as a label's value
	log      *slog.Logger
	m        metrics
	bucket   *bucket
	market   market
	timeout  time.Duration
	patience time.Duration
	poll     time.Duration
	traced   bool          // the transport says when it has a connection
	ground   chan struct{} // held by the Prepare that works
}

var _ cloud.Provider = (*Driver)(nil)

// New makes a driver. It makes no request.
func New(o Options) (*Driver, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Patience <= 0 {
		o.Patience = 30 * time.Second
	}
	if o.PerHour <= 0 {
		o.PerHour = 3600
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	d := &Driver{
		token: o.Token, cluster: cloud.LabelValue(o.Cluster), log: o.Logger, m: m,
		bucket: newBucket(o.PerHour, o.Patience, m.remaining), timeout: o.Timeout, patience: 4 * o.Patience, poll: o.Poll,
		ground: make(chan struct{}, 1),
	}
	web := client(o.HTTPClient)
	_, d.traced = web.Transport.(bounded).base.(*http.Transport)
	d.market.told = map[string]bool{}
	options := []hcloud.ClientOption{
		hcloud.WithToken(o.Token.Reveal()), hcloud.WithHTTPClient(web), hcloud.WithApplication("payperplay", o.Version),
		hcloud.WithRetryOpts(hcloud.RetryOpts{MaxRetries: 0}),
	}
	if o.Endpoint != "" {
		options = append(options, hcloud.WithEndpoint(o.Endpoint))
	}
	d.client = hcloud.NewClient(options...)
	return d, nil
}

// client never follows a redirect (the API has none, and a POST must not be sent twice) and never reads without a bound.
func client(given *http.Client) *http.Client {
	c := http.Client{}
	if given != nil {
		c = *given
	}
	if c.Transport == nil {
		t := &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 1 << 20,
		}
		c.Transport = t
	}
	c.Transport = bounded{c.Transport}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

type bounded struct{ base http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxReply), resp.Body}
	return resp, nil
}

// labels are given ones with those that everything of ours carries.
func (d *Driver) labels(given map[string]string, role cloud.Role) map[string]string {
	out := map[string]string{cloud.LabelRole: string(role)}
	for k, v := range given {
		out[k] = cloud.LabelValue(v)
	}
	out[cloud.LabelManagedBy], out[cloud.LabelCluster] = cloud.ManagedBy, d.cluster
	return out
}

// selector finds what is ours.
func (d *Driver) selector() string {
	return cloud.LabelManagedBy + "=" + cloud.ManagedBy + "," + cloud.LabelCluster + "=" + d.cluster
}

func (d *Driver) ours(labels map[string]string) bool { return cloud.Ours(labels, d.cluster) }

// nap waits, unless ctx ends before.
func nap(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
