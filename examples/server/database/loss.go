package database

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"medtwin.ai/tollgate/adapters/pgstore"
)

// drops finds what a script drops.
var drops = regexp.MustCompile(`(?m)^(?:DROP TABLE\s+([^;]+)|ALTER TABLE (\S+) DROP COLUMN (\S+));`)

// Version returns the version of the database, 0 where there are no tables. It is
// [ErrNewer] where this release cannot work with it, or take it down.
func (d *DB) Version(ctx context.Context) (int, error) {
	if !d.postgres {
		return Newest(), nil
	}
	at, err := postgresSchema.Version(ctx, scripts{d.Conn})
	if err == nil && at > Newest() {
		err = ErrNewer
	}
	return at, err
}

// Loss returns what bringing the tables down to a version loses: each table with
// its rows, and each column.
func (d *DB) Loss(ctx context.Context, to int) (loss []string, err error) {
	at, err := d.Version(ctx)
	if err == nil {
		err = postgresSchema.Check(to)
	}
	if err != nil || !d.postgres || at <= to {
		return nil, err
	}
	steps := slices.Concat(pgstore.Migrations("")[library[to]:library[at]], postgresSchema.Scripts()[to:at])
	for _, step := range slices.Backward(steps) {
		for _, m := range drops.FindAllStringSubmatch(strings.ReplaceAll(step.Down, `"tollgate".`, "tollgate."), -1) {
			if m[1] == "" {
				loss = append(loss, fmt.Sprintf("column %s of %s", m[3], m[2]))
				continue
			}
			for table := range strings.SplitSeq(m[1], ",") {
				table = strings.TrimSpace(table)
				var rows int
				if err := d.Row(ctx, `SELECT count(*) FROM `+table).Scan(&rows); err != nil {
					return nil, fmt.Errorf("database: %w", err)
				}
				loss = append(loss, fmt.Sprintf("table %s with %d rows", table, rows))
			}
		}
	}
	return loss, nil
}
