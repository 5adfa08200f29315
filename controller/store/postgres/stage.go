package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Stage is a store that is being filled in one transaction: nobody sees it before Publish, and without it it was never
// there. It implements store.Stage.
type Stage struct {
	session
	tx      pgx.Tx
	cluster string
}

var _ store.Stage = (*Stage)(nil)

// NewStage begins a store at url, where none may be.
func NewStage(ctx context.Context, url string) (*Stage, error) {
	s, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	st := &Stage{session: s}
	if err := st.begin(ctx); err != nil {
		return nil, errors.Join(s.explain(err), s.close())
	}
	return st, nil
}

func (s *Stage) begin(ctx context.Context) (err error) {
	if s.tx, err = s.conn.Begin(ctx); err != nil {
		return err
	}
	if _, err := s.tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", s.lock()); err != nil {
		return err
	}
	id, err := s.readIdentity(ctx, s.tx)
	if err == nil && id.found {
		err = fault.New(fault.Conflict, "there is a store already: "+s.address,
			"name an empty database or another schema=NAME, or drop that schema first")
	}
	return err
}

// Dump gives what was loaded.
func (s *Stage) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	return s.dumpIn(ctx, s.tx, head, row)
}

// Load fills the tables, and makes their indexes when they are full.
func (s *Stage) Load(ctx context.Context, head store.Header, rows iter.Seq2[store.Row, error]) error {
	return s.explain(s.load(ctx, head, rows))
}

func (s *Stage) load(ctx context.Context, head store.Header, rows iter.Seq2[store.Row, error]) error {
	var defs []store.TableDef
	for _, t := range head.Tables {
		defs = append(defs, store.TableDef{Name: t.Name, Indexes: t.Indexes})
	}
	if err := store.CheckDefs(defs); err != nil {
		return err
	}
	if err := s.create(ctx, s.tx, head.Cluster); err != nil {
		return err
	}
	s.cluster = head.Cluster
	if _, err := s.tx.Exec(ctx, s.sql("UPDATE @._leader SET term = $1"), head.Term); err != nil {
		return err
	}
	for name, value := range head.Sequences {
		if _, err := s.tx.Exec(ctx, s.sql("INSERT INTO @._sequences (name, value) VALUES ($1, $2)"), name, value); err != nil {
			return err
		}
	}
	next, stop := iter.Pull2(rows)
	defer stop()
	f := filling{next: next}
	f.step()
	for _, t := range head.Tables {
		if err := s.fillTable(ctx, t, &f); err != nil {
			return err
		}
	}
	if f.err == nil && f.more {
		f.err = fmt.Errorf("postgres: a row of table %s, which the header does not have, or not in this place", f.row.Table)
	}
	return f.err
}

// filling is the place in the rows that are loaded.
type filling struct {
	next func() (store.Row, error, bool)
	row  store.Row
	more bool
	err  error

	n, digest int64
}

func (f *filling) step() { f.row, f.err, f.more = f.next() }

func (s *Stage) fillTable(ctx context.Context, t store.TableHead, f *filling) error {
	if err := s.createTable(ctx, s.tx, t.Name, nil); err != nil {
		return err
	}
	columns := []string{"key", "_crc", "doc"}
	for _, x := range t.Indexes {
		columns = append(columns, x.Name)
		if _, err := s.tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", s.name(t.Name), ident(x.Name), columnType(x.Kind))); err != nil {
			return err
		}
	}
	f.n, f.digest = 0, 0
	seed := crcTable(t.Name)
	_, err := s.tx.CopyFrom(ctx, pgx.Identifier{string(s.schema), t.Name}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		if f.err != nil || !f.more || f.row.Table != t.Name {
			return nil, f.err
		}
		doc, err := canonical(f.row.Doc)
		if err != nil || len(f.row.Values) != len(t.Indexes) {
			return nil, errors.Join(err, fmt.Errorf("table %s, row %q cannot be stored: %d index values for %d indexes", t.Name, f.row.Key, len(f.row.Values), len(t.Indexes)))
		}
		crc := crcRow(seed, f.row.Key, doc)
		args := []any{f.row.Key, crc, doc}
		for _, v := range f.row.Values {
			args = append(args, argument(v))
		}
		f.n, f.digest = f.n+1, f.digest^mix(crc)
		f.step()
		return args, nil
	}))
	if f.err != nil { // the reason why the copy failed, if it was the source
		return f.err
	}
	if err != nil {
		return taken(err, t.Name)
	}
	for _, x := range t.Indexes {
		if _, err := s.tx.Exec(ctx, s.createIndex(t.Name, x, "")); err != nil {
			return taken(err, t.Name)
		}
	}
	if _, err := s.tx.Exec(ctx, s.sql("UPDATE @._counts SET rows = $2, digest = $3 WHERE name = $1"), t.Name, f.n, f.digest); err != nil {
		return err
	}
	if err := s.writeSchema(ctx, s.tx, t.Name, t.Indexes); err != nil {
		return err
	}
	_, err = s.tx.Exec(ctx, "ANALYZE "+s.name(t.Name))
	return err
}

func taken(err error, table string) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return fault.Wrap(err, fault.Conflict, fmt.Sprintf("two rows of table %s have the same key, or the same value in a unique index: %s", table, pg.Detail),
			"check the store that is copied with `controller store check`")
	}
	return err
}

// Publish commits. When the answer is lost it looks what became of it.
func (s *Stage) Publish(ctx context.Context) error {
	if err := failpoint.Hit("store.publish.before"); err != nil {
		return err
	}
	err := s.tx.Commit(ctx)
	if err != nil && !answered(err) && s.published(context.WithoutCancel(ctx)) {
		err = nil
	}
	if err != nil {
		return s.explain(err)
	}
	return failpoint.Hit("store.publish.after")
}

func (s *Stage) published(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	_ = s.close()
	for n := 1; pause(ctx, n) == nil; n++ {
		conn, err := pgx.ConnectConfig(ctx, s.config.ConnConfig.Copy())
		if err != nil {
			continue
		}
		_, err = conn.Exec(ctx, "SELECT pg_advisory_lock($1)", s.lock()) // free when the old transaction has ended
		var id identity
		if err == nil {
			id, err = s.readIdentity(ctx, conn)
		}
		_ = conn.Close(ctx)
		if err == nil {
			return id.found && id.cluster == s.cluster
		}
	}
	return false
}

// Close takes everything back, unless it was published.
func (s *Stage) Close() error {
	if s.conn.IsClosed() {
		return nil
	}
	return s.close()
}
