package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// Client calls the HTTP API. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	agent string
	http  *http.Client
	slow  *http.Client // for what may prepare for minutes before its answer begins
}

// Options are what New needs. Endpoint is the API's address, as "http://127.0.0.1:8080".
type Options struct {
	Endpoint  string
	Token     string
	UserAgent string
	HTTP      *http.Client // nil = one with sane limits
}

// New checks the options and gives a client; it does not connect.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, protocol.Faultf(protocol.Invalid, "write it as http://127.0.0.1:8080", "the endpoint %q is not an address", o.Endpoint)
	}
	slow := o.HTTP
	if o.HTTP == nil {
		o.HTTP, slow = &http.Client{Transport: transport(headerTime)}, &http.Client{Transport: transport(0)}
	}
	if o.UserAgent == "" {
		o.UserAgent = "payperplay-client"
	}
	u = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	return &Client{base: u, token: o.Token, agent: o.UserAgent, http: o.HTTP, slow: slow}, nil
}

// headerTime is how long an answer may take to begin.
const headerTime = time.Minute

// transport waits for the beginning of an answer for as long as it is told, 0 for ever. A peer that is gone is found by
// the keep-alive of TCP.
func transport(wait time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ResponseHeaderTimeout: wait,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       30 * time.Second,
	}
}

// Endpoint tells where the client calls.
func (c *Client) Endpoint() string { return c.base.String() }

type call struct {
	method, path string
	query        url.Values
	header       http.Header
	body         any
	slow         bool // the answer may take minutes to begin
}

// segment makes a name one part of a path, whatever is in it: a mistyped name must not become another address.
func segment(name string) string {
	switch name {
	case ".", "..":
		return strings.ReplaceAll(name, ".", "%2E")
	default:
		return url.PathEscape(name)
	}
}

// url joins the endpoint, a path whose names went through segment, and a query.
func (c *Client) url(path string, query url.Values) string {
	u := c.base.String() + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	var body io.Reader
	if k.body != nil {
		b, err := json.Marshal(k.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, c.url(k.path, k.query), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	for name, values := range k.header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("User-Agent", c.agent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	by := c.http
	if k.slow {
		by = c.slow
	}
	resp, err := by.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		return nil, problemOf(resp)
	}
	return resp, nil
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		f := protocol.Faultf(protocol.Unavailable, "is it running? start it with 'controller serve', or name another with --endpoint or PAYPERPLAY_ENDPOINT",
			"the controller at %s does not answer (%v)", c.base, op.Err)
		if op.Op == "dial" {
			return nobody{f}
		}
		return f
	}
	return protocol.Faultf(protocol.Unavailable, "try again, or name another with --endpoint", "the controller at %s did not answer: %v", c.base, err)
}

// nobody is the fault of an address where nothing could be dialled.
type nobody struct{ *protocol.Fault }

func (n nobody) Unwrap() error { return n.Fault }

// Nobody tells whether err says that no controller could be dialled. Any other error, a cut connection or an answer of
// unavailable among them, may come from one that runs.
func Nobody(err error) bool {
	var n nobody
	return errors.As(err, &n)
}

// problemOf turns an error reply into a Fault, so that the CLI prints what happened and what to do.
func problemOf(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var p Problem
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/problem+json" && json.Unmarshal(body, &p) == nil && p.Code != "" {
		detail := p.Detail
		if detail == "" {
			detail = p.Title
		}
		return &protocol.Fault{Code: protocol.Code(p.Code), Message: detail, Next: p.Next}
	}
	return protocol.Faultf(protocol.Internal, "does the endpoint point at a PayPerPlay controller?", "unexpected answer %s", resp.Status)
}

func (c *Client) do(ctx context.Context, k call, into any) error {
	resp, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil || resp.StatusCode == http.StatusNoContent {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return protocol.Faultf(protocol.Internal, "does the endpoint point at a PayPerPlay controller?", "the answer could not be read: %v", err)
	}
	return nil
}

// list walks all pages of a list.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	all := []T{}
	for {
		var page Page[T]
		if err := c.do(ctx, call{method: http.MethodGet, path: path, query: query}, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		if query == nil {
			query = url.Values{}
		}
		query.Set("cursor", page.Next)
	}
}

func etag(revision int64) string { return strconv.Quote(strconv.FormatInt(revision, 10)) }
