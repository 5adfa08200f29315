package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// session is one connection of a tool's own, with the store it is for.
type session struct {
	source
	conn *pgx.Conn
}

// dial connects; statements of a tool may take as long as they take, the wait for a lock not.
func dial(ctx context.Context, url string) (session, error) {
	s, err := parse(url)
	if err != nil {
		return session{}, err
	}
	config := s.config.ConnConfig.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["application_name"] += toolSuffix
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return session{}, s.explain(err)
	}
	if err := durable(ctx, conn); err != nil {
		return session{}, errors.Join(s.explain(err), conn.Close(ctx))
	}
	return session{source: s, conn: conn}, nil
}

// close ends the connection, and with it its transaction and locks.
func (s session) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) //nolint:forbidigo // the end of a connection depends on nobody's context
	defer cancel()
	return s.conn.Close(ctx)
}

// Origin is a store held so that no controller can write or open it. It implements store.Origin.
type Origin struct{ session }

var _ store.Origin = (*Origin)(nil)

// Hold takes the writer's lock for as long as the Origin is open, and raises the term: a controller that runs on this store
// can change nothing any more and ends.
func Hold(ctx context.Context, url string) (*Origin, error) {
	s, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := s.hold(ctx); err != nil {
		return nil, errors.Join(s.explain(err), s.close())
	}
	return &Origin{s}, nil
}

func (s session) hold(ctx context.Context) error {
	if _, err := s.conn.Exec(ctx, "SELECT pg_advisory_lock($1)", s.lock()); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		id, err := s.readIdentity(ctx, tx)
		if err != nil {
			return err
		}
		if !id.found {
			return s.noStore()
		}
		_, _, err = s.raiseTerm(ctx, tx)
		return err
	})
}

func (s source) noStore() error {
	return fault.New(fault.NotFound, "there is no store at "+s.address, "look at the database and the schema in the store's URL")
}

// Dump gives everything in the store.
func (o *Origin) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	return o.dump(ctx, o.conn, head, row)
}

// Moved reads the mark.
func (o *Origin) Moved(ctx context.Context) (*store.Moved, error) {
	id, err := o.readIdentity(ctx, o.conn)
	return id.moved, o.explain(err)
}

// Retire writes the mark, or takes it away. The connection that holds the lock writes it: one that was lost writes nothing.
func (o *Origin) Retire(ctx context.Context, mark *store.Moved) error {
	if err := failpoint.Hit("store.retire.before"); err != nil {
		return err
	}
	sql, args := "DELETE FROM @._meta WHERE key = 'moved'", []any(nil)
	if mark != nil {
		doc, err := json.Marshal(mark)
		if err != nil {
			return err
		}
		sql, args = "INSERT INTO @._meta (key, value) VALUES ('moved', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value", []any{string(doc)}
	}
	if _, err := o.conn.Exec(ctx, o.sql(sql), args...); err != nil {
		return o.explain(err)
	}
	return failpoint.Hit("store.retire.after")
}

// Close lets the store go.
func (o *Origin) Close() error { return o.close() }
