package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"medtwin.ai/tollgate/examples/server/database"
)

// runMigrate brings the tables of a database to another version. A file of
// SQLite is brought to the newest when it is opened.
func runMigrate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c config
	f := newFlags("migrate", &c, stderr)
	to := f.Int("to", database.Newest(), "bring the tables to this `VERSION`. An older one loses what it cannot hold, and 0 everything")
	yes := f.Bool("yes", false, "go back to an older version, whatever that drops")
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
	if !*yes {
		if err := keepsAll(ctx, b.db, *to); err != nil {
			return err
		}
	}
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

// keepsAll refuses to go back to an older version, and says what that drops.
func keepsAll(ctx context.Context, db *database.DB, to int) error {
	at, err := db.Version(ctx)
	if err != nil || at <= to || to < 0 {
		return nil // what is wrong, Migrate says
	}
	loss, err := db.Loss(ctx, to)
	if err != nil {
		return err
	}
	if len(loss) == 0 {
		loss = []string{"no table and no column"}
	}
	return fmt.Errorf("going back from version %d to %d drops:\n  %s\nStop the servers, make a backup, and say --yes to do it",
		at, to, strings.Join(loss, "\n  "))
}

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
		return errors.New("--database: only an SQLite file is backed up like this; for Postgres use pg_dump, see docs/operators.md")
	}
	if err := database.Backup(ctx, path, rest[0]); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s holds what %s held. The secrets in %s are not in it: back them up elsewhere\n", rest[0], path, c.pepperFile)
	return nil
}

// version is set by the linker where a release is built:
// -ldflags "-X medtwin.ai/tollgate/examples/server/api.version=v1.2.3".
var version string

// release names what is running: the version that it was built as, else what Go
// recorded of the source, else "devel".
func release() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	return cmp.Or(revision, "devel") + dirty
}
