// Package sqlkit is for writers of SQL backends of package store. It has what such
// backends share, and imports no driver.
//
// [Columns] knows the columns of the records: what they are read into and what is written
// to them. [ReadAll] reads rows. The backends in adapters/pgstore and adapters/sqlitestore
// are built on both, and their migrations show the tables.
//
// [Schema] migrates tables, also those of an application:
//
//	steps, err := sqlkit.ReadMigrations(files, "migrations") // 0001_first.up.sql, 0001_first.down.sql, …
//	tables := sqlkit.Postgres("acme", steps)
//	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
//		_, err := tables.Migrate(ctx, conn{tx}, tables.Newest())
//		return err
//	})
//
// Here conn is a type of the application with the two methods of [Conn].
package sqlkit
