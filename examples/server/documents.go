package main

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

var errNoDocument = errors.New("no such document")

// list returns up to limit documents by id, after the one given, whose parent
// is parent (any, for "*") and whose id or parent, as key says, is visible.
// The filter is in the query, so that pages are full.
func (d *documents) list(ctx context.Context, t tenant, collection, parent, key string, visible authz.Set, after string, limit int) ([]document, error) {
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return "?" + strconv.Itoa(len(args))
	}
	query := `SELECT id, parent, body, created FROM server_documents WHERE account = ` + arg(t.account) +
		` AND environment = ` + arg(t.environment) + ` AND collection = ` + arg(collection) + ` AND id > ` + arg(after)
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

func (d *documents) count(ctx context.Context, t tenant, collection, parent string) (n int, err error) {
	err = d.db.Row(ctx, `SELECT count(*) FROM server_documents
		WHERE account = ?1 AND environment = ?2 AND collection = ?3 AND parent = ?4`,
		t.account, t.environment, collection, parent).Scan(&n)
	return n, err
}

// one is the condition for a single document.
const one = ` WHERE account = ?1 AND environment = ?2 AND collection = ?3 AND parent = ?4 AND id = ?5`

func (d *documents) get(ctx context.Context, t tenant, collection, parent, id string) (document, error) {
	return found(ctx, d.db.Conn, ``, t.account, t.environment, collection, parent, id)
}

func found(ctx context.Context, c database.Conn, lock string, key ...any) (document, error) {
	doc, err := scan(c.Row(ctx, `SELECT id, parent, body, created FROM server_documents`+one+lock, key...))
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

// add stores a document. Where it has a project, the project must exist, and
// goes on to until that is done.
func (d *documents) add(ctx context.Context, t tenant, collection string, doc document) error {
	if !database.Holds(doc.Parent) {
		return errNoDocument
	}
	return met(d.db.Exec(ctx, `INSERT INTO server_documents (account, environment, collection, parent, id, body, created)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, CAST(?7 AS BIGINT) WHERE CAST(?3 AS TEXT) NOT IN ('data', 'analyses') OR EXISTS (
			SELECT 1 FROM server_documents WHERE account = ?1 AND environment = ?2 AND collection = 'projects' AND parent = '' AND id = ?4 /*pg FOR SHARE */)`,
		t.account, t.environment, collection, doc.Parent, doc.ID, string(doc.Body), doc.Created.UnixMicro()))
}

// update sets the fields given and returns the document as it is then. A
// field set to nil goes (RFC 7396).
func (d *documents) update(ctx context.Context, t tenant, collection, parent, id string, fields map[string]any) (doc document, err error) {
	err = d.db.Do(ctx, func(tx database.Tx) error {
		key := []any{t.account, t.environment, collection, parent, id}
		var body map[string]json.RawMessage
		if doc, err = found(ctx, tx.Conn, ` /*pg FOR UPDATE */`, key...); err == nil {
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
		_, err = tx.Exec(ctx, `UPDATE server_documents SET body = ?6`+one, append(key, string(doc.Body))...)
		return err
	})
	return doc, err
}

// remove deletes a document, and with a project what is in it.
func (d *documents) remove(ctx context.Context, t tenant, collection, parent, id string) error {
	return d.db.Do(ctx, func(tx database.Tx) error {
		err := met(tx.Exec(ctx, `DELETE FROM server_documents`+one, t.account, t.environment, collection, parent, id))
		if err == nil && collection == projects {
			_, err = tx.Exec(ctx, `DELETE FROM server_documents
				WHERE account = ?1 AND environment = ?2 AND collection IN ('data', 'analyses') AND parent = ?3`,
				t.account, t.environment, id)
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
