package database

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"medtwin.ai/tollgate/adapters/pgstore"
)

var (
	dropsTables = regexp.MustCompile(`(?m)^DROP TABLE\s+([^;]+);`)
	dropsColumn = regexp.MustCompile(`(?m)^ALTER TABLE (\S+) DROP COLUMN (\S+);`)
)

// Version returns the version of the database, 0 where there are no tables. It is
// [ErrNewer] where this release cannot work with it, or take it down.
func (d *DB) Version(ctx context.Context) (int, error) {
	if d.pool == nil {
		return Newest(), nil
	}
	at, _, err := version(ctx, d.pool.Pool)
	if err == nil && at > Newest() {
		err = newer(at)
	}
	return at, err
}

// Loss returns what bringing the tables down to a version loses: each table with
// its rows, and each column.
func (d *DB) Loss(ctx context.Context, to int) ([]string, error) {
	at, err := d.Version(ctx)
	if err != nil || d.pool == nil {
		return nil, err
	}
	if err := known(to); err != nil {
		return nil, err
	}
	var loss []string
	for ; at > to; at-- {
		sql := down(at)
		all := pgstore.Migrations("")
		for v := versions[at].library; v > versions[at-1].library; v-- {
			sql += "\n" + strings.ReplaceAll(all[v-1].Down, `"tollgate".`, "tollgate.")
		}
		for _, m := range dropsColumn.FindAllStringSubmatch(sql, -1) {
			loss = append(loss, fmt.Sprintf("column %s of %s", m[2], m[1]))
		}
		for _, m := range dropsTables.FindAllStringSubmatch(sql, -1) {
			for table := range strings.SplitSeq(m[1], ",") {
				table = strings.TrimSpace(table)
				var rows int
				if err := d.pool.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&rows); err != nil {
					return nil, fmt.Errorf("database: %w", err)
				}
				loss = append(loss, fmt.Sprintf("table %s with %d rows", table, rows))
			}
		}
	}
	return loss, nil
}
