package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"medtwin.ai/tollgate/examples/server/database"
)

// runBackup writes a backup of an SQLite file, beside a server that may be
// running on it.
func runBackup(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c config
	f := newFlags("backup", &c, stderr)
	rest, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return errors.New("want one argument: the file to write, which must not exist")
	}
	path, ok := strings.CutPrefix(c.database, "sqlite:")
	if !ok || path == "" {
		return errors.New("--database: only an SQLite file is backed up like this; for Postgres use pg_dump, see docs/operations.md")
	}
	if err := database.Backup(ctx, path, rest[0]); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s holds what %s held. The secrets in %s are not in it: back them up elsewhere\n", rest[0], path, c.pepperFile)
	return nil
}
