package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"medtwin.ai/tollgate/authz"
)

// documents is the data of the application behind the gate: small JSON
// documents in collections, each in one account and environment, so that test
// keys see test data only.
type documents struct{ db *sql.DB }

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

func newDocuments(ctx context.Context, db *sql.DB) (*documents, error) {
	db.SetMaxOpenConns(1) // an in-memory database is one connection
	_, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS server_documents (
		account     TEXT NOT NULL,
		environment TEXT NOT NULL,
		collection  TEXT NOT NULL,
		parent      TEXT NOT NULL,
		id          TEXT NOT NULL,
		body        TEXT NOT NULL,
		created     INTEGER NOT NULL, -- microseconds since 1970
		PRIMARY KEY (account, environment, collection, parent, id)
	) STRICT, WITHOUT ROWID`)
	return &documents{db}, err
}

// list returns up to limit documents by id, after the one given, whose parent
// is parent (any, for "*") and whose id or parent, as key says, is visible.
// The filter is in the query, so that pages are full.
func (d *documents) list(ctx context.Context, t tenant, collection, parent, key string, visible authz.Set, after string, limit int) ([]document, error) {
	query := `SELECT id, parent, body, created FROM server_documents
		WHERE account = ? AND environment = ? AND collection = ? AND id > ?`
	args := []any{t.account, t.environment, collection, after}
	if parent != "*" {
		query += ` AND parent = ?`
		args = append(args, parent)
	}
	query += ` AND ` + visible.Where(key, func(id any) string {
		args = append(args, id)
		return "?"
	})
	rows, err := d.db.QueryContext(ctx, query+` ORDER BY id LIMIT ?`, append(args, limit)...)
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
	err = d.db.QueryRowContext(ctx, `SELECT count(*) FROM server_documents
		WHERE account = ? AND environment = ? AND collection = ? AND parent = ?`,
		t.account, t.environment, collection, parent).Scan(&n)
	return n, err
}

func (d *documents) get(ctx context.Context, t tenant, collection, parent, id string) (document, error) {
	doc, err := scan(d.db.QueryRowContext(ctx, `SELECT id, parent, body, created FROM server_documents
		WHERE account = ? AND environment = ? AND collection = ? AND parent = ? AND id = ?`,
		t.account, t.environment, collection, parent, id))
	if errors.Is(err, sql.ErrNoRows) {
		return doc, errNoDocument
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

// add stores a document. Where it has a project, the project must exist: that
// is checked in the same statement.
func (d *documents) add(ctx context.Context, t tenant, collection string, doc document) error {
	res, err := d.db.ExecContext(ctx, `INSERT INTO server_documents
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ?3 NOT IN ('data', 'analyses') OR EXISTS (
			SELECT 1 FROM server_documents WHERE account = ?1 AND environment = ?2 AND collection = 'projects' AND parent = '' AND id = ?4)`,
		t.account, t.environment, collection, doc.Parent, doc.ID, string(doc.Body), doc.Created.UnixMicro())
	return oneRow(res, err)
}

// update sets the fields given and returns the document as it is then. A
// field set to null goes (RFC 7396).
func (d *documents) update(ctx context.Context, t tenant, collection, parent, id string, fields map[string]any) (document, error) {
	patch, err := json.Marshal(fields)
	if err != nil {
		return document{}, err
	}
	doc, err := scan(d.db.QueryRowContext(ctx, `UPDATE server_documents SET body = json_patch(body, ?)
		WHERE account = ? AND environment = ? AND collection = ? AND parent = ? AND id = ?
		RETURNING id, parent, body, created`,
		string(patch), t.account, t.environment, collection, parent, id))
	if errors.Is(err, sql.ErrNoRows) {
		return doc, errNoDocument
	}
	return doc, err
}

// remove deletes a document, and with a project what is in it.
func (d *documents) remove(ctx context.Context, t tenant, collection, parent, id string) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := oneRow(tx.ExecContext(ctx, `DELETE FROM server_documents
		WHERE account = ? AND environment = ? AND collection = ? AND parent = ? AND id = ?`,
		t.account, t.environment, collection, parent, id)); err != nil {
		return err
	}
	if collection == projects {
		if _, err := tx.ExecContext(ctx, `DELETE FROM server_documents
			WHERE account = ? AND environment = ? AND collection IN ('data', 'analyses') AND parent = ?`,
			t.account, t.environment, id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func oneRow(res sql.Result, err error) error {
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return errNoDocument
	}
	return err
}
