package database

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A pool is the connections to Postgres; nil is SQLite, or a transaction.
type pool struct {
	*pgxpool.Pool
	renewed atomic.Int64 // when all connections were last ended; Unix ns
}

// readOnly reports whether a statement had no effect because its connection is
// read-only. Connections that were made while the database was so stay so, and
// are ended here, once a second at most: it may be so still.
func (p *pool) readOnly(err error) bool {
	const often, readOnlyTransaction = time.Second, "25006"
	var e *pgconn.PgError
	if p == nil || !errors.As(err, &e) || e.Code != readOnlyTransaction {
		return false
	}
	now, last := time.Now().UnixNano(), p.renewed.Load()
	if now-last >= int64(often) && p.renewed.CompareAndSwap(last, now) {
		p.Reset()
	}
	return true
}

// tries returns how often a statement may be tried again after its connection has
// ended, since all connections of the pool may have ended. The statement "" stands
// for beginning a transaction. A statement that may have written is not tried
// again.
func (p *pool) tries(statement string) int {
	if p == nil || statement != "" && !strings.HasPrefix(statement, "SELECT ") {
		return 0
	}
	return int(p.Stat().MaxConns())
}

// ended reports whether an error says that the server has ended the connection,
// and not that there is none to be had.
func ended(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil || errors.As(err, new(*pgconn.ConnectError)) {
		return false
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch e.Code {
		case "57P01", "57P02", "57P05": // admin_shutdown, crash_shutdown, idle_session_timeout
			return true
		}
		return strings.HasPrefix(e.Code, "08") // connection_exception
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
