package database

import (
	"regexp"
	"sync"
)

// schema is where the tables are in Postgres.
const schema = "tollgate_server"

var (
	argument = regexp.MustCompile(`\?([0-9]+)`)
	table    = regexp.MustCompile(`\bserver_`)
	addition = regexp.MustCompile(`/\*pg (.*?)\*/`)

	texts sync.Map // statements as they are written: as Postgres reads them
)

// text returns a statement as the database reads it.
func (c Conn) text(statement string) string {
	if !c.postgres {
		return statement
	}
	if text, ok := texts.Load(statement); ok {
		return text.(string)
	}
	text := argument.ReplaceAllString(statement, `$$$1`)
	text = table.ReplaceAllString(text, schema+".")
	text = addition.ReplaceAllString(text, `$1`)
	texts.Store(statement, text)
	return text
}
