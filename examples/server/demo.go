package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
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
}

// demo fills an empty database with an account, two keys and some data, and
// shows the keys, which is the only time they can be seen.
func demo(ctx context.Context, c config, v vocabulary, b *backend, keys *apikey.Manager, url string, stdout io.Writer) error {
	if accounts, err := b.accounts.List(ctx, "", 1); err != nil || len(accounts) > 0 {
		return err
	}
	file, err := demoFile(c.demoFile) // before there is anything to lose
	if err != nil {
		return err
	}
	defer file.Close()
	now := time.Now()
	account := store.Account{
		ID: keyfmt.NewID("acct_", now), Name: "Demo", Status: authz.Active, Plan: "standard", Created: now.UTC(),
	}
	if err := b.accounts.Create(ctx, account); err != nil {
		return err
	}
	made := credentials{BaseURL: url, AccountID: account.ID}
	for env, key := range map[string]*string{live: &made.LiveKey, test: &made.TestKey} {
		_, token, err := keys.Issue(ctx, authn.Operator(account.ID), apikey.Spec{
			Name: "Demo " + env, Environment: env, Grant: v.model.Everything(),
		}, now)
		if err != nil {
			return err
		}
		*key = token.Reveal()
		ids, err := seed(ctx, b.documents, tenant{account.ID, env}, now)
		if err != nil {
			return err
		}
		if env == live {
			made.ProjectIDs = ids
		}
	}
	fmt.Fprintf(stdout, `
A demo account has been made. Its keys are shown this once:

  export MEDTWIN_API_KEY=%s    # live data, plan standard
  export MEDTWIN_TEST_KEY=%s   # test data, limits of plan free

Try:

  curl %[3]s/health
  curl %[3]s/v1/rubrics -H "Authorization: Bearer $MEDTWIN_API_KEY"
  curl %[3]s/v1/projects -H "Authorization: Bearer $MEDTWIN_API_KEY"
  curl %[3]s/v1/whoami -H "Authorization: Bearer $MEDTWIN_TEST_KEY"
  curl -i %[3]s/v1/projects -H "Authorization: Bearer mt_live_wrong"

Not for production as it stands: these keys may do everything in the account
and have been printed, traffic is not encrypted, and the pepper lies beside the
database. Start with --demo=false, behind TLS, with --pepper-file elsewhere.

`, made.LiveKey, made.TestKey, url)
	if file == nil {
		return nil
	}
	text, err := json.MarshalIndent(made, "", "  ")
	if err == nil {
		_, err = file.Write(append(text, '\n'))
	}
	return err
}

// demoFile opens the file for the credentials, nil where none is wanted.
func demoFile(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		err = f.Chmod(0o600) // it may have been there
	}
	return f, err
}

// seed makes the data of one environment, the same in shape and told apart by
// name.
func seed(ctx context.Context, d *documents, t tenant, now time.Time) (ids []string, err error) {
	add := func(collection, prefix, parent string, body map[string]any) string {
		if err != nil {
			return ""
		}
		now = now.Add(time.Millisecond) // ids sort by time: lists show what was added first
		body["name"] = fmt.Sprintf("%s (%s)", body["name"], t.environment)
		text, bad := json.Marshal(body)
		doc := document{ID: keyfmt.NewID(prefix, now), Parent: parent, Body: text, Created: now}
		if err = bad; err == nil {
			err = d.add(ctx, t, collection, doc)
		}
		return doc.ID
	}
	for _, study := range []string{"Study A", "Study B"} {
		id := add(projects, "proj_", "", map[string]any{"name": study, "description": "Made for the demo."})
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
