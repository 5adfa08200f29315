package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// toolSuffix tells the connections of a tool from those of a controller that leads.
const toolSuffix = " tool"

// farewell is how long Led gives connections of a controller that has just ended.
const farewell = 2 * time.Second

// Led says whether a controller seems to lead the store at url, as a conflict fault that tells where its connections come
// from. It is a courtesy, not a lock: a controller that Led does not see is ended by the term. One that stands still or is
// cut off is seen for as long as the server keeps its connections.
func Led(ctx context.Context, url string) (err error) {
	s, err := dial(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var from, since *string // of another user's connection the server does not tell everybody
	for n, began := 1, time.Now(); ; n++ {
		err = s.conn.QueryRow(ctx, `SELECT CASE WHEN backend_start IS NOT NULL THEN coalesce(host(client_addr), 'this machine') END, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
			FROM pg_stat_activity WHERE datname = current_database() AND application_name IN ($1, $2) AND pid <> pg_backend_pid() ORDER BY backend_start LIMIT 1`,
			s.config.ConnConfig.RuntimeParams["application_name"], s.controllerName()).Scan(&from, &since)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return s.explain(err)
		}
		// The server keeps a connection for a moment after a controller has ended.
		if time.Since(began) > farewell {
			break
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
	what := "a controller uses the store " + s.address
	if from != nil && since != nil {
		what += fmt.Sprintf(": it is connected from %s since %s", *from, *since)
	} else {
		what += " as another user"
	}
	return fault.New(fault.Conflict, what,
		"stop that controller; for one that stands still and cannot be stopped `controller store migrate` has --force")
}

// Reader is a store that is only read, whether or not a controller leads it. It implements store.Source.
type Reader struct{ session }

var _ store.Source = (*Reader)(nil)

// Read connects; not_found when there is no store.
func Read(ctx context.Context, url string) (*Reader, error) {
	s, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	id, err := s.readIdentity(ctx, s.conn)
	if err == nil && !id.found {
		err = s.noStore()
	}
	if err != nil {
		return nil, errors.Join(s.explain(err), s.close())
	}
	return &Reader{s}, nil
}

// Dump gives everything in the store as of now.
func (r *Reader) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	return r.dump(ctx, r.conn, head, row)
}

// Peek gives the cluster's id and one row's document, nil when there is no such row or table.
func (r *Reader) Peek(ctx context.Context, table, key string) (cluster string, doc []byte, err error) {
	id, err := r.readIdentity(ctx, r.conn)
	if err != nil {
		return "", nil, r.explain(err)
	}
	err = r.conn.QueryRow(ctx, fmt.Sprintf("SELECT doc FROM %s WHERE key = $1", r.name(table)), key).Scan(&doc)
	var pg *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &pg) && pg.Code == "42P01" { // undefined_table
		return id.cluster, nil, nil
	}
	return id.cluster, doc, r.explain(err)
}

// Close ends the connection.
func (r *Reader) Close() error { return r.close() }
