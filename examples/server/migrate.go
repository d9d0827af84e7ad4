package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"medtwin.ai/tollgate/examples/server/database"
)

// runMigrate brings the tables of a database to another version. A file of
// SQLite is brought to the newest by whoever opens it.
func runMigrate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c config
	f := newFlags("migrate", &c, stderr)
	to := f.Int("to", database.Newest(), "bring the tables to this `VERSION`. An older one loses what it cannot hold, and 0 everything")
	show := f.Bool("print", false, "print the SQL for an empty Postgres instead, for other tools")
	rest, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("want no arguments, have %q", rest[0])
	}
	if *show {
		sql, err := database.SQL(*to)
		if err == nil {
			_, err = io.WriteString(stdout, sql)
		}
		return err
	}
	b := new(backend)
	if database.IsPostgres(c.database) {
		if err = b.connect(c.database); err != nil {
			err = fmt.Errorf("--database: %w", err)
		}
	} else {
		b, err = openBackend(ctx, c.database, "")
	}
	if err != nil {
		return err
	}
	defer b.Close()
	err = b.db.Migrate(ctx, *to)
	if errors.Is(err, database.ErrNewer) && *to == database.Newest() && b.db.Prepare(ctx) == nil {
		fmt.Fprintln(stdout, "the database is of a newer release, and this one works with it")
		return nil // so that a deployment can go back to it
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "the database has version %d\n", *to)
	return nil
}
