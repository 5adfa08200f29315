package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/payperplay/payperplay/controller/fault"
)

// source is where a store is, and what may be said of it: never the password.
type source struct {
	schema
	address        string
	host           string // host:port, or several
	user, database string
	cluster        string
	config         *pgxpool.Config
}

func (s source) server() string { return s.host }

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func isClosedConn(err error) bool { return errors.Is(err, pgconn.ErrConnClosed) }

const defaultSchema = "payperplay"

// settings are sent to the server with each connection, unless the URL sets them. The planner is told that every
// statement of ours goes along an index and wants few rows: statistics of a table that has just grown do not matter then.
var settings = map[string]string{
	"client_encoding":               "UTF8",
	"statement_timeout":             "10s",
	"lock_timeout":                  "8s",
	"tcp_keepalives_idle":           "5",
	"tcp_keepalives_interval":       "2",
	"tcp_keepalives_count":          "3",
	"enable_seqscan":                "off",
	"enable_bitmapscan":             "off",
	"jit":                           "off",
	"default_transaction_read_only": "off",
}

// A writer that stands still in a transaction is cut off before its successor gives up; a reader may be a slow backup.
const (
	writerIdle = "10s"
	readerIdle = "10min"
)

// parse reads a store's URL (libpq's URL or keywords; PG* variables, password and service files as with psql). Two
// parameters are ours: schema, and pool_max_conns as pgxpool has it.
func parse(url string) (source, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The library's text repeats the URL and masks passwords only as well as it can: none of it is shown or kept.
		return source{}, fault.New(fault.Invalid, "the store's URL cannot be read",
			"use postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full, with % escapes for special characters, and look at the PG* variables")
	}
	c := config.ConnConfig
	s := source{schema: defaultSchema, user: c.User, database: c.Database, config: config}
	if s.database == "" {
		s.database = s.user
	}
	if path := c.RuntimeParams["search_path"]; path != "" {
		first, _, _ := strings.Cut(path, ",")
		s.schema = schema(strings.Trim(strings.TrimSpace(first), `"`))
	}
	if name := c.RuntimeParams["schema"]; name != "" {
		s.schema = schema(name)
	}
	delete(c.RuntimeParams, "schema")
	delete(c.RuntimeParams, "search_path")
	if name := string(s.schema); len(name) > 63 || !utf8.ValidString(name) || strings.ContainsAny(name, "@\x00$%") || strings.HasPrefix(name, "pg_") {
		return source{}, fault.New(fault.Invalid, fmt.Sprintf("%q cannot be the store's schema", name), "use a plain name, as schema=payperplay in the store's URL")
	}
	hosts := []string{hostPort(c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		if h := hostPort(f.Host, f.Port); h != hosts[len(hosts)-1] {
			hosts = append(hosts, h)
		}
	}
	s.host = strings.Join(hosts, ",")
	s.address = "postgres://" + s.host + "/" + s.database
	if s.schema != defaultSchema {
		s.address += "?schema=" + string(s.schema)
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = s.controllerName()
	}
	for k, v := range settings {
		if _, set := c.RuntimeParams[k]; !set {
			c.RuntimeParams[k] = v
		}
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.ValidateConnect == nil { // with several hosts, or after a failover: never a standby
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.StatementCacheCapacity = 2048
	dialer := &net.Dialer{Timeout: c.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	c.DialFunc = dialer.DialContext
	config.PingTimeout = 5 * time.Second
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = 8
	}
	return s, nil
}

// controllerName is what connections are called where the URL does not say it: by the schema, because a database may hold
// several stores. It is as the server will show it: a server cuts long names, and each version spells other letters its own way.
func (s source) controllerName() string {
	name := "payperplay"
	if s.schema != defaultSchema {
		name += " " + string(s.schema)
	}
	b := []byte(name)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b[:min(len(b), 63-len(toolSuffix))])
}

func hostPort(host string, port uint16) string {
	if strings.HasPrefix(host, "/") {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// pool makes connections with one more setting, when they are first needed.
func (s source) pool(ctx context.Context, idle string, most int32) (*pgxpool.Pool, error) {
	config := s.config.Copy()
	if _, set := config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"]; !set {
		config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = idle
	}
	if most > 0 {
		config.MaxConns = most
	}
	config.MinConns, config.MinIdleConns = 0, 0
	config.AfterConnect = durable
	return pgxpool.NewWithConfig(ctx, config)
}

// durable makes commits wait for the disk, should the server's default be not to.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
	return err
}
