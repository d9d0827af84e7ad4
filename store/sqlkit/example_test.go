package sqlkit_test

import (
	"fmt"

	"medtwin.ai/tollgate/store/sqlkit"
)

// The steps of a schema may be written in the program. Scripts is what they run.
func ExampleSQLite() {
	schema := sqlkit.SQLite("acme_migrations", []sqlkit.Migration{
		{Version: 1, Name: "reports", Up: "CREATE TABLE reports (id TEXT PRIMARY KEY);", Down: "DROP TABLE reports;"},
	})
	fmt.Println(schema.Newest(), len(schema.Scripts()), schema.Check(2) != nil)
	// Output: 1 1 true
}
