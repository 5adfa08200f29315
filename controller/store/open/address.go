package open

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/payperplay/payperplay/controller/fault"
)

// Engine is the kind of a store.
type Engine string

// The engines.
const (
	Bolt     Engine = "bolt"
	Postgres Engine = "postgres"
)

// Address says where a store is.
type Address struct {
	Engine Engine
	Path   string // of the file, absolute, when the engine is Bolt
	url    string // as it was given, with whatever password is in it, when it is Postgres
}

// forms is what to write.
const forms = "write the path of a file, bolt:///PATH or postgres://USER@HOST:PORT/DATABASE"

// Parse understands a path (absolute or not), bolt:///PATH and postgres://… or postgresql://… with the parameters that libpq
// knows. A password is better left to PGPASSWORD or ~/.pgpass (PGPASSFILE), which the driver reads by itself.
func Parse(address string) (Address, error) {
	scheme, rest, has := strings.Cut(address, "://")
	switch {
	case address == "":
		return Address{}, fault.New(fault.Invalid, "the store's address is empty", forms)
	case keywords(address):
		// Not repeated: a password may be in it.
		return Address{}, fault.New(fault.Invalid, "the store's address is a list of keywords, which is not understood", forms+"; write a file with = in its name as ./NAME")
	case !has && strings.HasPrefix(address, "postgres"+":"):
		return Address{}, fault.New(fault.Invalid, "the store's address has no // after postgres:", forms)
	case !has:
		return file(address)
	case scheme == "bolt":
		if !strings.HasPrefix(rest, "/") {
			return Address{}, fault.New(fault.Invalid, fmt.Sprintf("%s names no absolute path", address), "write bolt:///PATH with three slashes, or the path alone")
		}
		return file(rest)
	case scheme == "postgres" || scheme == "postgresql":
		if _, err := url.Parse(address); err != nil {
			// The error repeats the address, and the password with it.
			return Address{}, fault.New(fault.Invalid, "the store's address is not a URL that can be read", "write special characters of the password as %XX, or leave it to PGPASSWORD or PGPASSFILE")
		}
		return Address{Engine: Postgres, url: address}, nil
	}
	return Address{}, fault.New(fault.Invalid, fmt.Sprintf("%q is no kind of store", scheme), forms)
}

// keywords tells whether address is what libpq also takes, "host=db password=…", and not a path with = in it.
func keywords(address string) bool {
	word, _, has := strings.Cut(address, "=")
	word = strings.TrimSpace(word)
	if !has || strings.ContainsAny(word, "/") {
		return false
	}
	known := []string{"host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "connect_timeout", "application_name", "options"}
	return !strings.Contains(address, "/") || strings.HasPrefix(word, "ssl") || slices.Contains(known, word)
}

func file(path string) (Address, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Address{}, err
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		return Address{}, fault.New(fault.Invalid, abs+" is a directory", "name the file in it, as "+filepath.Join(abs, "controller.db"))
	}
	return Address{Engine: Bolt, Path: abs}, nil
}

// String is the address for people and for marks: without a password.
func (a Address) String() string {
	if a.Engine == Bolt {
		return a.Path
	}
	u, err := url.Parse(a.url)
	if err != nil {
		return "postgres://"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for _, secret := range []string{"password", "sslpassword", "passfile"} {
		q.Del(secret)
	}
	u.RawQuery, u.Scheme = q.Encode(), "postgres"
	return u.String()
}

// Secret tells whether a password is in the address: where it was on the command line, every user of the machine saw it.
func (a Address) Secret() bool {
	u, err := url.Parse(a.url)
	if err != nil || a.Engine != Postgres {
		return false
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password") || u.Query().Has("sslpassword")
}
