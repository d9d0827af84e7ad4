package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// credentials is what --demo-file holds.
type credentials struct {
	BaseURL    string   `json:"base_url"`
	LiveKey    string   `json:"live_key"`
	TestKey    string   `json:"test_key"`
	AccountID  string   `json:"account_id"`
	ProjectIDs []string `json:"project_ids"`

	// The owner of the account, and the operator of the service.
	Email            string `json:"email"`
	Password         string `json:"password"`
	OperatorEmail    string `json:"operator_email"`
	OperatorPassword string `json:"operator_password"`
}

// makeDemo fills an empty database with an account, its owner, two keys, some
// data and an operator, and shows the secrets, which is the only time they can
// be seen. Of several servers that find the database empty, one does so.
func (s *server) makeDemo(ctx context.Context, path, url string, stdout io.Writer) error {
	accounts, err := s.Accounts().List(ctx, "", 1)
	if err != nil {
		return err
	}
	if len(accounts) > 0 { // among them those of a first start that died half-way
		s.log.InfoContext(ctx, "demo not made: there are accounts")
		return s.tellOfDemo(ctx, url, stdout)
	}
	file, err := newDemoFile(path) // before there is anything to lose
	if err != nil {
		return err
	}
	defer file.discard()
	now := s.now()
	err = s.Accounts().Create(ctx, operatorsAccount(now))
	if errors.Is(err, store.ErrConflict) { // another one was first
		return nil
	}
	if err != nil {
		return err
	}
	account := store.Account{
		ID: keyfmt.NewID("acct_", now), Name: "Demo", Status: authz.Active, Plan: "standard", Created: now.UTC(),
	}
	if err := s.Accounts().Create(ctx, account); err != nil {
		return err
	}
	made := credentials{
		BaseURL: url, AccountID: account.ID,
		Email: demoEmail, Password: rand.Text(), OperatorEmail: "operator@example.com", OperatorPassword: rand.Text(),
	}
	if _, err := s.addUser(ctx, made.Email, "Demo Owner", made.Password, account.ID, roleOwner); err != nil {
		return err
	}
	if err := s.addOperator(ctx, made.OperatorEmail, made.OperatorPassword); err != nil {
		return err
	}
	for env, key := range map[string]*string{live: &made.LiveKey, test: &made.TestKey} {
		_, token, err := s.keys.Issue(ctx, authn.Operator(account.ID), apikey.Spec{
			Name: "Demo " + env, Environment: env, Grant: s.everything(),
		}, now)
		if err != nil {
			return err
		}
		*key = token.Reveal()
		ids, err := seed(ctx, s.documents, tenant{account.ID, env}, now)
		if err != nil {
			return err
		}
		if env == live {
			made.ProjectIDs = ids
		}
	}
	fmt.Fprintf(stdout, demoStory, made.LiveKey, made.TestKey, url, made.Email, made.Password,
		made.OperatorEmail, made.OperatorPassword, made.ProjectIDs[0])
	return file.write(made)
}

// A demoFile is where the credentials go. It has another name until it is
// complete, so that nobody reads half of it. A server that makes no demo leaves
// no file.
type demoFile struct {
	path string
	temp *os.File
}

// newDemoFile returns nil where no file is wanted.
func newDemoFile(path string) (*demoFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	return &demoFile{path, f}, err
}

func (f *demoFile) write(c credentials) error {
	if f == nil {
		return nil
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		_, err = f.temp.Write(append(text, '\n'))
	}
	if err == nil {
		err = f.temp.Close()
	}
	if err == nil {
		err = os.Rename(f.temp.Name(), f.path)
	}
	return err
}

// discard removes what was not written.
func (f *demoFile) discard() {
	if f != nil {
		f.temp.Close()
		os.Remove(f.temp.Name())
	}
}

// demoProjects are the ids that seed 001 scopes a key to, so that its request
// works as it stands there.
var demoProjects = []string{"proj_abc123", "proj_def456"}

// seed makes the data of one environment, the same in shape and told apart by
// name.
func seed(ctx context.Context, d *documents, t tenant, now time.Time) (ids []string, err error) {
	add := func(collection, prefix, parent string, body map[string]any, id ...string) string {
		if err != nil {
			return ""
		}
		now = now.Add(time.Millisecond) // ids sort by time: lists show what was added first
		body["name"] = fmt.Sprintf("%s (%s)", body["name"], t.environment)
		text, bad := json.Marshal(body)
		doc := document{ID: keyfmt.NewID(prefix, now), Parent: parent, Body: text, Created: now}
		if len(id) > 0 {
			doc.ID = id[0]
		}
		if err = bad; err == nil {
			err = d.add(ctx, t, collection, doc)
		}
		return doc.ID
	}
	for i, study := range []string{"Study A", "Study B"} {
		var known []string
		if t.environment == live {
			known = demoProjects[i : i+1]
		}
		id := add(projects, "proj_", "", map[string]any{"name": study, "description": "Made for the demo."}, known...)
		add("data", "dat_", id, map[string]any{"name": "Baseline", "content": "age,outcome\n61,improved\n"})
		add("analyses", "ana_", id, map[string]any{"name": "Size", "status": "completed", "result": map[string]any{"data": 1}})
		ids = append(ids, id)
	}
	for _, name := range []string{"Clarity", "Completeness"} {
		add("rubrics", "rub_", "", map[string]any{"name": name, "scale": []string{"poor", "fair", "good"}})
	}
	for _, typ := range []string{"report", "protocol"} {
		add("artifacts", "art_", typ, map[string]any{"name": "First " + typ, "content": "…"})
	}
	return ids, err
}
