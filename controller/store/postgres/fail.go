package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// Errors that the store's own functions raise (schema.sql).
const (
	codeStale = "PPP01" // another term leads
	codeSeq   = "PPP02" // a sequence is not where this process believed
	codeGone  = "PPP03" // the database is in an earlier state than it was
)

var errClosed = fault.New(fault.Unavailable, "the store is closed", "the controller is shutting down: try again")

// verdict is what a failure means for the transaction.
type verdict int

const (
	done    verdict = iota
	final           // the caller gets the error
	stale           // another controller leads
	forgot          // committed Updates are gone
	careful         // something was not as assumed: run again, asking the database each time
	clash           // a deadlock or a failed serialisation: run again
	away            // Postgres cannot be reached, or not now: run again for a while
)

// judge classifies an error of a round trip whose transaction is known not to have committed.
func judge(err error) verdict {
	if err == nil {
		return done
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return judgeCode(pg.Code)
	}
	var busy errBusy
	var damaged *store.DamagedError
	switch {
	case errors.As(err, &busy), errors.Is(err, context.Canceled), errors.As(err, &damaged):
		return final
	case lostConnection(err):
		return away
	}
	return final
}

func judgeCode(code string) verdict {
	switch code {
	case codeStale:
		return stale
	case codeGone:
		return forgot
	case codeSeq, "23505": // a row that was assumed to be new is there
		return careful
	case "40001", "40P01": // serialisation failure, deadlock
		return clash
	case "55P03": // lock timeout: somebody still holds the lock, such as the writer before us
		return away
	case "25006": // read only: a standby, or a server that is being moved
		return away
	case "25P03", "57P01", "57P02", "57P03", "57P04", "57P05", "53300": // shut down, crashed, starting, idle for too long, too many connections
		return away
	}
	if code[:2] == "08" {
		return away
	}
	return final
}

// lostConnection tells errors of the way to Postgres from errors of a program.
func lostConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.Timeout(err) || pgconn.SafeToRetry(err) ||
		errors.Is(err, net.ErrClosed) || isEOF(err) || isClosedConn(err)
}

// answered tells whether the server itself refused the statement and lives on: then nothing of the transaction is there.
func answered(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR"
}

// isAway tells whether somebody has found Postgres away, and nobody has found it back.
func (db *DB) isAway() bool { return time.Since(time.Unix(0, db.away.Load())) < answerTimeout }

// explain is the source's. Connections are busy too while Postgres is away: that is not what to tell then.
func (db *DB) explain(err error) error {
	var busy errBusy
	if errors.As(err, &busy) && db.isAway() {
		err = io.ErrUnexpectedEOF
	}
	return db.source.explain(err)
}

// tooLate is the error of a call whose context has ended and of which nothing was committed: that Postgres is away, where
// this is known to have been why.
func (db *DB) tooLate(ctx context.Context, err error) error {
	waited := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	switch {
	case !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ctx.Err()
	case judge(err) == away && !waited:
		return db.explain(err)
	case waited && db.isAway():
		return db.explain(io.ErrUnexpectedEOF)
	}
	return ctx.Err()
}

// explain says for people what an error of Postgres means. Rooms' errors and faults pass.
func (s source) explain(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	var busy errBusy
	if errors.As(err, &busy) {
		return fault.Wrap(err, fault.Unavailable, fmt.Sprintf("all %d connections to Postgres are busy", busy.connections),
			"try again; raise pool_max_conns in the store's URL if this happens often")
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if msg, next, kind := s.explainCode(pg); msg != "" {
			return fault.Wrap(err, kind, msg, next)
		}
		return fmt.Errorf("postgres: %w", err)
	}
	if lostConnection(err) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Unavailable, "Postgres cannot be reached at "+s.server(),
			"look whether it runs and whether this machine may connect; the controller goes on by itself when it answers")
	}
	return err
}

func (s source) explainCode(pg *pgconn.PgError) (msg, next string, kind fault.Kind) {
	kind = fault.Unavailable
	switch pg.Code {
	case "28P01", "28000":
		return fmt.Sprintf("Postgres at %s refused the login of user %s", s.server(), s.user),
			"check user and password in the store's URL, PGPASSWORD or the password file, and the server's pg_hba.conf", kind
	case "3D000":
		return fmt.Sprintf("Postgres at %s has no database %s", s.server(), s.database),
			"make it with `createdb --encoding=UTF8 " + s.database + "`, or name another one in the store's URL", kind
	case "42501":
		return fmt.Sprintf("the user %s may not do this in the database %s: %s", s.user, s.database, pg.Message),
			fmt.Sprintf("let an administrator say: GRANT CREATE ON DATABASE %q TO %q, or make the user owner of the schema %q", s.database, s.user, string(s.schema)), kind
	case "53300":
		return "Postgres at " + s.server() + " takes no more connections", "raise max_connections there, or lower pool_max_conns in the store's URL", kind
	case "53100":
		return "the disk of Postgres is full: nothing was changed", "free space on the disk of " + s.server(), fault.ReadOnly
	case "25006":
		return "Postgres at " + s.server() + " takes no writes", "name the primary in the store's URL, or several hosts: the one that takes writes is chosen", kind
	case "23505":
		return "a value is taken: " + pg.ConstraintName, "choose another one", fault.Conflict
	case "57014":
		return "Postgres needed too long for an answer", "look what keeps it busy; raise statement_timeout in the store's URL if the machine is slow", kind
	case "55P03":
		return "something else has held a lock on the store for too long: another controller, a running `controller store migrate`, or a long query on its tables",
			"try again; look in pg_stat_activity what holds it (pg_blocking_pids) and end it if it hangs", kind
	case "57P01", "57P02", "57P03", "57P04", "25P03", "57P05":
		return "Postgres cannot be reached at " + s.server() + ": it is starting, stopping, or ended the connection", "try again; the controller goes on by itself when it answers", kind
	case "XX001", "XX002":
		return "Postgres found damaged data: " + pg.Message, "stop the controller, run `controller store check`, and restore a backup of the database", kind
	}
	if pg.Code[:2] == "08" {
		return "Postgres cannot be reached at " + s.server(), "look whether it runs and whether this machine may connect", kind
	}
	return "", "", ""
}

// errUnknown is a commit that may have happened.
func (s source) errUnknown(err error) error {
	return fault.Wrap(err, fault.Timeout, "Postgres went away while a change was written: whether it happened could not be found out in "+resolveTimeout.String(),
		"look whether it happened before asking again")
}

// again waits a little before the next attempt; false when there is no time or no point.
func (t *tx) again(ctx context.Context, err error) bool {
	if judge(err) != away || time.Since(t.start) > patience {
		if judge(err) == away {
			t.db.away.Store(time.Now().UnixNano())
		}
		return false
	}
	if t.conn != nil {
		release(ctx, t.conn)
		t.conn = nil
	}
	t.tries++
	return pause(ctx, t.tries) == nil
}

// pause is the back-off before attempt n+1: 10 ms, doubling up to half a second.
func pause(ctx context.Context, n int) error {
	timer := time.NewTimer(min(10*time.Millisecond<<min(n, 10), 500*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
