package fakehetzner

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxBody is more than any request of the API needs.
const maxBody = 1 << 20

// call is one request that was let in.
type call struct {
	http    *http.Request
	method  string
	path    string // without /v1
	query   url.Values
	body    []byte
	id      int64 // {id} of the path
	pattern string
}

// decode reads the body. Fields that it does not know are let pass, as by the API.
func (r *call) decode(into any) error {
	if len(bytes.TrimSpace(r.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.body, into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return invalid(wrong.Field, "has the wrong type")
		}
		return refuse(http.StatusBadRequest, "json_error", "the request is no valid JSON")
	}
	return nil
}

// reply is what the work came to.
type reply struct {
	status int
	body   obj // nil = none
}

// work does what a request asks for, under the lock.
type work func(*call) (reply, error)

// outcome is how a request ends for the client.
type outcome struct {
	reply
	header map[string]string
	cut    bool // no answer: the connection ends
	hang   bool // no answer before the client has gone
}

// serve takes requests to work, past everything that may come between.
func (c *Cloud) serve(pattern string, w work) http.HandlerFunc {
	return func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, req.Body, maxBody))
		if err != nil {
			http.Error(rw, "cannot read the body", http.StatusBadRequest)
			return
		}
		r := &call{
			http: req, method: req.Method, path: strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, "/v1"), "/"), query: req.URL.Query(),
			body: body, pattern: pattern,
		}
		if text := req.PathValue("id"); text != "" {
			r.id, _ = strconv.ParseInt(text, 10, 64) // what is no number is an id that nothing has
		}
		out, text := c.locked(r, w)
		c.kick()
		if out.hang {
			<-req.Context().Done()
		}
		if out.hang || out.cut {
			panic(http.ErrAbortHandler) // the only way to end a connection without an answer
		}
		for k, v := range out.header {
			rw.Header().Set(k, v)
		}
		if out.body != nil {
			rw.Header().Set("Content-Type", "application/json")
		}
		rw.WriteHeader(out.status)
		_, _ = rw.Write(text)
	}
}

// locked answers and writes the answer down before anything it shows can change.
func (c *Cloud) locked(r *call, w work) (outcome, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.answer(r, w)
	if out.body == nil {
		return out, nil
	}
	text, err := json.Marshal(out.body)
	if err != nil {
		c.log.Error("a reply cannot be written as JSON", "err", err)
		out.cut = true
	}
	return out, text
}

// answer is called with the lock held.
func (c *Cloud) answer(r *call, w work) outcome {
	c.counters.Requests++
	c.settle()
	if err := c.authorise(r); err != nil {
		return failed(err)
	}
	header, refused := c.meter()
	if refused != nil {
		c.counters.RateLimited++
		return outcome{reply: failed(refused).reply, header: header}
	}
	rule := c.first(r.method, r.path, nil, LoseReply, LoseRequest, ErrorBefore, ErrorAfter, Hang, HangAfter, TooMany, Locked, Conflict, Refuse)
	if rule != nil {
		c.log.Debug("a fault happens", "fault", rule.Fault, "method", r.method, "path", r.path)
		if out, done := c.before(*rule, header); done {
			return out
		}
	}
	got, err := w(r)
	out := outcome{reply: got, header: header}
	if err != nil {
		out = failed(err)
		out.header = header
	} else if r.method != http.MethodGet {
		c.counters.Done[r.pattern]++
	}
	if rule != nil {
		c.after(*rule, r, &out)
	}
	c.log.Debug("answered", "method", r.method, "path", r.path, "status", out.status)
	return out
}

// before gives the outcome of faults that leave the work undone.
func (c *Cloud) before(rule Rule, header map[string]string) (outcome, bool) {
	out := outcome{header: header}
	switch rule.Fault {
	case LoseRequest:
		out.cut = true
	case Hang:
		out.hang = true
	case ErrorBefore:
		out.reply = serverError(rule.Status, http.StatusServiceUnavailable)
	case TooMany:
		c.counters.RateLimited++
		header["RateLimit-Remaining"] = "0"
		out.reply = failed(tooMany()).reply
	case Locked:
		out.reply = failed(isLocked()).reply
	case Conflict:
		out.reply = failed(inConflict()).reply
	case Refuse:
		out.reply = failed(refuse(rule.Status, rule.Code, "refused, as the fake was told to")).reply
	case LoseReply, ErrorAfter, HangAfter, Lag, NoStock, ActionFail, SlowBoot, NeverJoin, Vanish:
		return outcome{}, false
	}
	return out, true
}

// after spoils the answer to work that was done.
func (c *Cloud) after(rule Rule, r *call, out *outcome) {
	switch rule.Fault {
	case LoseReply:
		out.cut = true
	case HangAfter:
		out.hang = true
	case ErrorAfter:
		out.reply = serverError(rule.Status, http.StatusBadGateway)
	default:
		return
	}
	if r.method != http.MethodGet {
		c.counters.Cut++
	}
}

func serverError(status, usual int) reply {
	if status == 0 {
		status = usual
	}
	code := "server_error"
	switch status {
	case http.StatusBadGateway:
		code = "bad_gateway"
	case http.StatusServiceUnavailable:
		code = "maintenance"
	case http.StatusGatewayTimeout:
		code = "timeout"
	}
	return failed(refuse(status, code, "the fake fails, as it was told to")).reply
}

func failed(err error) outcome {
	var r *refusal
	if !errors.As(err, &r) {
		r = refuse(http.StatusInternalServerError, "server_error", "%v", err)
	}
	return outcome{reply: reply{status: r.status, body: obj{"error": obj{"code": r.code, "message": r.message, "details": r.details}}}}
}

func (c *Cloud) authorise(r *call) error {
	token, ok := strings.CutPrefix(r.http.Header.Get("Authorization"), "Bearer ")
	switch {
	case ok && token == c.opt.Token:
		return nil
	case ok && token != "" && token == c.opt.ReadOnlyToken:
		if r.method == http.MethodGet {
			return nil
		}
		return refuse(http.StatusForbidden, "token_readonly", "the token is only allowed to perform GET requests")
	default:
		return refuse(http.StatusUnauthorized, "unauthorized", "unable to authenticate")
	}
}

func tooMany() *refusal {
	return refuse(http.StatusTooManyRequests, "rate_limit_exceeded", "limit of requests per hour reached")
}

// meter takes a request from the bucket and gives the headers that tell how full it is.
func (c *Cloud) meter() (map[string]string, error) {
	now, full, rate := c.now(), float64(c.opt.Rate.Burst), c.opt.Rate.PerSecond
	c.tokens = min(full, c.tokens+max(0, now.Sub(c.filled).Seconds())*rate)
	c.filled = now
	var err error
	if c.tokens < 1 {
		err = tooMany()
	} else {
		c.tokens--
	}
	return map[string]string{
		"RateLimit-Limit":     strconv.Itoa(c.opt.Rate.Burst),
		"RateLimit-Remaining": strconv.Itoa(int(c.tokens)),
		"RateLimit-Reset":     strconv.FormatInt(now.Unix()+int64(math.Ceil((full-c.tokens)/rate)), 10),
	}, err
}
