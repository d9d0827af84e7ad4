package pgstore

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A pool knows after which errors a connection should no longer be used, and which
// statements can then be repeated on another one.
type pool struct {
	*pgxpool.Pool
	renewed atomic.Int64 // when its connections were last renewed, in Unix nanoseconds
}

// A querier is a pool, a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// again reports whether a statement that failed with err can be sent once more: nothing
// of it was done, or it is a read.
//
// A connection that was made while the database was read-only stays read-only when the
// database is so no longer. A connection to a primary may stay open when that becomes a
// standby. So an error that says that a connection is read-only closes all connections
// of the pool. This happens at most once a second, because the database may still be
// read-only.
func (p *pool) again(ctx context.Context, read bool, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) && e.Code == readOnlyTransaction {
		const often = time.Second
		now, last := time.Now().UnixNano(), p.renewed.Load()
		if now-last >= int64(often) && p.renewed.CompareAndSwap(last, now) {
			p.Reset()
		}
		return true
	}
	return pgconn.SafeToRetry(err) || read && lost(err)
}

// lost reports whether err means that a connection has ended. An error of connecting
// does not.
func lost(err error) bool {
	if e := (*pgconn.ConnectError)(nil); errors.As(err, &e) {
		return false
	}
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		switch e.Code {
		case adminShutdown, crashShutdown, idleSessionTimeout:
			return true
		}
		return strings.HasPrefix(e.Code, connectionException)
	}
	if e := net.Error(nil); errors.As(err, &e) {
		return !e.Timeout()
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// fresh returns a connection that answers. All connections of the pool may have ended at
// the same time.
func (p *pool) fresh(ctx context.Context) (c *pgxpool.Conn, err error) {
	for range p.Stat().MaxConns() + 1 { // a connection that has ended is removed from the pool
		if c, err = p.Acquire(ctx); err != nil {
			return nil, err
		}
		if err = c.Ping(ctx); err == nil {
			return c, nil
		}
		c.Release()
	}
	return nil, err
}

// run runs f on the pool. If it fails and can be repeated, it runs once more on a
// connection that answers. In a transaction f runs once.
func (c conn) run(ctx context.Context, read bool, f func(querier) error) error {
	err := f(c.pgx)
	if c.pool == nil || !c.pool.again(ctx, read, err) {
		return err
	}
	fresh, failed := c.pool.fresh(ctx)
	if failed != nil {
		return errors.Join(err, failed)
	}
	defer fresh.Release()
	return f(fresh)
}

// isRead reports whether a statement of this package changes nothing, if it is not part
// of a transaction.
func isRead(statement string) bool { return strings.HasPrefix(statement, "SELECT ") }

// transact runs f in a transaction. If that cannot begin or is read-only, f runs once
// more in another one.
func (p *pool) transact(ctx context.Context, f func(pgx.Tx) error) error {
	begun := false
	once := func(tx pgx.Tx) error {
		begun = true
		return f(tx)
	}
	// Each statement sees what was committed before it began.
	options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	err := pgx.BeginTxFunc(ctx, p, options, once)
	if !p.again(ctx, !begun, err) {
		return err
	}
	fresh, failed := p.fresh(ctx)
	if failed != nil {
		return errors.Join(err, failed)
	}
	defer fresh.Release()
	return pgx.BeginTxFunc(ctx, fresh, options, f)
}
