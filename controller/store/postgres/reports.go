package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// reports makes the views.
func (db *DB) reports(context.Context, *pgxpool.Conn) {}
