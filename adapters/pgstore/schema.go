package pgstore

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// written is the schema that statements and migrations name. They name it before each
// table, so that nothing depends on search_path.
const written = "tollgate"

// A schema is the one that has the tables of a store.
type schema struct {
	name, quoted string
	texts        sync.Map // statements as they are written, and as they are sent
}

func newSchema(name string) *schema {
	name = cmp.Or(name, written)
	return &schema{name: name, quoted: pgx.Identifier{name}.Sanitize()}
}

// in returns the statement with the name of this schema.
func (s *schema) in(statement string) string {
	if text, ok := s.texts.Load(statement); ok {
		return text.(string)
	}
	text := s.fill(statement)
	s.texts.Store(statement, text)
	return text
}

func (s *schema) fill(sql string) string {
	return strings.ReplaceAll(sql, written+".", s.quoted+".")
}

// checkSchema returns an error for a name that Postgres cannot store or would cut off.
func checkSchema(name string) error {
	const most = 63 // bytes, after which Postgres cuts a name off
	if len(name) > most {
		return fmt.Errorf("pgstore: Schema has %d bytes, want at most %d", len(name), most)
	}
	if !possible(name) {
		return fmt.Errorf("pgstore: Schema %q is no text that Postgres can hold", name)
	}
	return nil
}
