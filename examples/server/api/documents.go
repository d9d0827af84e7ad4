package api

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/examples/server/database"
)

// documents is the data of the application behind the gate: small JSON
// documents in collections, each in one account and environment, so that test
// keys see test data only.
type documents struct{ db *database.DB }

// A tenant is whose data a request is about. It comes from the credential,
// never from the request.
type tenant struct{ account, environment string }

type document struct {
	ID      string
	Parent  string // the project or the artifact type it belongs to
	Body    json.RawMessage
	Created time.Time
}

// A collection is documents of one kind.
type collection struct {
	name   string
	within string   // the collection that has the parents, which then must exist; "": parents are words
	holds  []string // the collections whose parents are documents of this one
}

var (
	rubricDocs   = collection{name: "rubrics"}
	artifactDocs = collection{name: "artifacts"} // their parents are types
	projectDocs  = collection{name: projects, holds: []string{"data", "analyses"}}
	dataDocs     = collection{name: "data", within: projects}
	analysisDocs = collection{name: "analyses", within: projects}
)

var errNoDocument = errors.New("no such document")

// list returns up to limit documents by id, after the one given, whose parent
// is parent (any, for "*") and whose id or parent, as key says, is visible.
// The filter is in the query, so that pages are full.
func (d *documents) list(ctx context.Context, t tenant, c collection, parent, key string, visible authz.Set, after string, limit int) ([]document, error) {
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	query := `SELECT id, parent, body, created FROM tollgate_server.documents WHERE account = ` + arg(t.account) +
		` AND environment = ` + arg(t.environment) + ` AND collection = ` + arg(c.name) + ` AND id > ` + arg(after)
	if parent != "*" {
		query += ` AND parent = ` + arg(parent)
	}
	query += ` AND ` + visible.Where(key, arg)
	rows, err := d.db.Rows(ctx, query+` ORDER BY id LIMIT `+arg(limit), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []document
	for rows.Next() {
		doc, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, doc)
	}
	return list, rows.Err()
}

func (d *documents) count(ctx context.Context, t tenant, c collection, parent string) (n int, err error) {
	err = d.db.Row(ctx, `SELECT count(*) FROM tollgate_server.documents
		WHERE account = $1 AND environment = $2 AND collection = $3 AND parent = $4`,
		t.account, t.environment, c.name, parent).Scan(&n)
	return n, err
}

// one is the condition for a single document.
const one = ` WHERE account = $1 AND environment = $2 AND collection = $3 AND parent = $4 AND id = $5`

func (d *documents) get(ctx context.Context, t tenant, c collection, parent, id string) (document, error) {
	return found(ctx, d.db.Conn, ``, t.account, t.environment, c.name, parent, id)
}

func found(ctx context.Context, conn database.Conn, lock string, key ...any) (document, error) {
	doc, err := scan(conn.Row(ctx, `SELECT id, parent, body, created FROM tollgate_server.documents`+one+lock, key...))
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoDocument
	}
	return doc, err
}

func scan(row interface{ Scan(...any) error }) (doc document, err error) {
	var body string
	var created int64
	err = row.Scan(&doc.ID, &doc.Parent, &body, &created)
	doc.Body, doc.Created = json.RawMessage(body), time.UnixMicro(created).UTC()
	return doc, err
}

// add stores a document. If its parent is a document, that must exist, and exists until
// the new one is stored.
func (d *documents) add(ctx context.Context, t tenant, c collection, doc document) error {
	if !database.Holds(doc.Parent) {
		return errNoDocument
	}
	return met(d.db.Exec(ctx, `INSERT INTO tollgate_server.documents (account, environment, collection, parent, id, body, created)
		SELECT $1, $2, $3, $4, $5, $6, CAST($7 AS BIGINT) WHERE CAST($8 AS TEXT) = '' OR EXISTS (
			SELECT 1 FROM tollgate_server.documents WHERE account = $1 AND environment = $2 AND collection = $8 AND parent = '' AND id = $4`+d.db.For("SHARE")+`)`,
		t.account, t.environment, c.name, doc.Parent, doc.ID, string(doc.Body), doc.Created.UnixMicro(), c.within))
}

// update sets the fields given and returns the document as it is then. A
// field set to nil goes (RFC 7396).
func (d *documents) update(ctx context.Context, t tenant, c collection, parent, id string, fields map[string]any) (doc document, err error) {
	err = d.db.Do(ctx, func(tx database.Tx) error {
		key := []any{t.account, t.environment, c.name, parent, id}
		var body map[string]json.RawMessage
		if doc, err = found(ctx, tx.Conn, tx.For("UPDATE"), key...); err == nil {
			err = json.Unmarshal(doc.Body, &body)
		}
		if err != nil {
			return err
		}
		merged := map[string]any{}
		for name, value := range body {
			merged[name] = value
		}
		for name, value := range fields {
			if merged[name] = value; value == nil {
				delete(merged, name)
			}
		}
		if doc.Body, err = json.Marshal(merged); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE tollgate_server.documents SET body = $6`+one, append(key, string(doc.Body))...)
		return err
	})
	return doc, err
}

// remove deletes a document with the documents that have it as their parent.
func (d *documents) remove(ctx context.Context, t tenant, c collection, parent, id string) error {
	return d.db.Do(ctx, func(tx database.Tx) error {
		err := met(tx.Exec(ctx, `DELETE FROM tollgate_server.documents`+one, t.account, t.environment, c.name, parent, id))
		for _, held := range c.holds {
			if err == nil {
				_, err = tx.Exec(ctx, `DELETE FROM tollgate_server.documents
					WHERE account = $1 AND environment = $2 AND collection = $3 AND parent = $4`, t.account, t.environment, held, id)
			}
		}
		return err
	})
}

// met returns errNoDocument where a statement has changed nothing.
func met(changed int64, err error) error {
	if err == nil && changed == 0 {
		err = errNoDocument
	}
	return err
}

// exist reports whether an account has all of these resources. Types of artifacts are
// whatever is stored under them.
func (d *documents) exist(ctx context.Context, account, environment, kind string, ids []string) (bool, error) {
	if kind != projects {
		return true, nil
	}
	have, err := d.list(ctx, tenant{account, environment}, projectDocs, "", "id", authz.Of(ids...), "", len(ids))
	return len(have) == len(authz.Of(ids...).Items()), err
}
