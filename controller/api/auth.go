package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

const (
	cookieName   = "ppp_session"
	secureCookie = "__Host-ppp_session" // when the browser came by TLS
	sessionIdle  = 12 * time.Hour
	sessionMost  = 30 * 24 * time.Hour
)

// browserSession is a login of the web UI. Only the hash of its secret is kept.
type browserSession struct {
	Hash    string    `json:"hash"`
	Actor   string    `json:"actor"`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`
}

var sessions = store.Table[browserSession]{
	Name:    "browser_sessions",
	Key:     func(s browserSession) string { return s.Hash },
	Indexes: []store.Index[browserSession]{store.Time("seen", func(s browserSession) time.Time { return s.Seen })},
}

// auth tells who asks.
type auth struct {
	db       store.DB
	operator [32]byte
	now      func() time.Time

	mu     sync.Mutex
	logins map[string]*rate.Limiter // failed logins by source address
}

func newAuth(db store.DB, operatorToken string, now func() time.Time) *auth {
	return &auth{db: db, operator: sha256.Sum256([]byte(operatorToken)), now: now, logins: map[string]*rate.Limiter{}}
}

// isOperator compares in constant time.
func (a *auth) isOperator(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], a.operator[:]) == 1
}

var errWho = fault.New(fault.Unauthorized, "no valid token came with the request", "give the token of DATA/operator.token with --token-file or as 'Authorization: Bearer …'; in the browser, log in")

// identify finds the actor of a request: a bearer token, or a session cookie (which for anything but GET needs its CSRF token too).
func (a *auth) identify(r *http.Request) (Actor, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		token, ok := strings.CutPrefix(h, "Bearer ")
		if !ok || !a.isOperator(token) {
			return Actor{}, errWho
		}
		return Actor{Name: "operator"}, nil
	}
	secret := sessionSecret(r)
	if secret == "" {
		return Actor{}, errWho
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && subtle.ConstantTimeCompare([]byte(r.Header.Get("X-CSRF-Token")), []byte(csrfOf(secret))) != 1 {
		return Actor{}, fault.New(fault.Forbidden, "the request does not carry the page's CSRF token", "reload the page")
	}
	if isSocket(r) && !sameOrigin(r) {
		return Actor{}, fault.New(fault.Forbidden, "the websocket was opened from another site", "open it from the controller's own page")
	}
	s, err := a.touch(r.Context(), hashOf(secret))
	if err != nil {
		return Actor{}, err
	}
	return Actor{Name: s.Actor, Session: s.Hash}, nil
}

// touch reads a session and notes that it is used, at most once a minute.
func (a *auth) touch(ctx context.Context, hash string) (browserSession, error) {
	var s browserSession
	now := a.now()
	var restored time.Time
	err := a.db.View(ctx, func(tx store.Tx) error {
		r, err := fleet.ReadRecovery(tx)
		if err != nil {
			return err
		}
		restored = r.Since
		s, err = sessions.Get(tx, hash)
		return err
	})
	// A login of before a restore may have been ended in the time that the store has forgotten.
	if isNotFound(err) || err == nil && (s.Created.Before(restored) || now.Sub(s.Seen) > sessionIdle || now.Sub(s.Created) > sessionMost) {
		return s, fault.New(fault.Unauthorized, "the login has ended", "log in again")
	}
	if err != nil || now.Sub(s.Seen) < time.Minute {
		return s, err
	}
	// Read again: a logout in between must not be undone.
	err = a.db.Update(ctx, func(tx store.Tx) (err error) {
		if s, err = sessions.Get(tx, hash); err != nil {
			return err
		}
		s.Seen = now
		return sessions.Put(tx, s)
	})
	if isNotFound(err) {
		return s, fault.New(fault.Unauthorized, "the login has ended", "log in again")
	}
	return s, err
}

// open makes a session and gives its secret.
func (a *auth) open(ctx context.Context, actor string) (string, error) {
	secret := rand.Text() + rand.Text()
	now := a.now()
	s := browserSession{Hash: hashOf(secret), Actor: actor, Created: now, Seen: now}
	err := a.db.Update(ctx, func(tx store.Tx) error {
		if _, err := TrimSessions(tx, now, 100); err != nil {
			return err
		}
		return sessions.Put(tx, s)
	})
	return secret, err
}

func (a *auth) close(ctx context.Context, hash string) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		if err := sessions.Delete(tx, hash); err != nil && !isNotFound(err) {
			return err
		}
		return nil
	})
}

// limiter limits failed logins: 5 at once, then one every 6 s from one address.
func (a *auth) limiter(source string) *rate.Limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.logins[source]
	if l == nil {
		if len(a.logins) > 10_000 { // bounded: an attacker with many addresses costs at most this
			clear(a.logins)
		}
		l = rate.NewLimiter(rate.Every(6*time.Second), 5)
		a.logins[source] = l
	}
	return l
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// csrfOf derives a session's CSRF token, so that nothing more has to be stored.
func csrfOf(secret string) string {
	sum := sha256.Sum256([]byte("csrf\x00" + secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sessionSecret(r *http.Request) string {
	for _, name := range []string{secureCookie, cookieName} {
		if c, err := r.Cookie(name); err == nil && c.Value != "" {
			return c.Value
		}
	}
	return ""
}

func isSocket(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }

// sameOrigin: browsers send Origin with every websocket; programs do not.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

func setCookie(c echo.Context, secret string, age time.Duration) {
	ck := &http.Cookie{Name: cookieName, Value: secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(age / time.Second)}
	if c.Request().TLS != nil {
		ck.Name, ck.Secure = secureCookie, true
	}
	if secret == "" {
		ck.MaxAge = -1
	}
	c.SetCookie(ck)
}

// allowed tells whether the actor may use the route. Until accounts come there is one actor, who may do everything but is named everywhere.
func allowed(actor Actor, _ Permission) bool { return actor.Name == "operator" }

func sourceOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

var errForbidden = &protocol.Fault{Code: protocol.Forbidden, Message: "this is not yours to do", Next: "ask an operator"}
