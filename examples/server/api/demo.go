package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"medtwin.ai/tollgate/store"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
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
	err = s.Accounts().Create(ctx, store.Account{ID: operators, Name: "Operators", Created: now.UTC()})
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
	if err := s.addPerson(ctx, made.Email, made.Password, account.ID, roleOwner); err != nil {
		return err
	}
	if err := s.addPerson(ctx, made.OperatorEmail, made.OperatorPassword, operators, roleOperator); err != nil {
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

// addPerson makes a member with a password, who has accepted an invitation so to speak.
func (s *server) addPerson(ctx context.Context, email, password, account, role string) error {
	_, token, err := s.logins.Invite(ctx, store.Invitation{Account: account, Email: email, Role: role, By: "operator"}, s.now())
	if err == nil {
		_, err = s.logins.Accept(ctx, token, password, netip.Addr{}, s.now())
	}
	return err
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
	add := func(c collection, prefix, parent string, body map[string]any, id ...string) string {
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
			err = d.add(ctx, t, c, doc)
		}
		return doc.ID
	}
	for i, study := range []string{"Study A", "Study B"} {
		var known []string
		if t.environment == live {
			known = demoProjects[i : i+1]
		}
		id := add(projectDocs, "proj_", "", map[string]any{"name": study, "description": "Made for the demo."}, known...)
		add(dataDocs, "dat_", id, map[string]any{"name": "Baseline", "content": "age,outcome\n61,improved\n"})
		add(analysisDocs, "ana_", id, map[string]any{"name": "Size", "status": "completed", "result": map[string]any{"data": 1}})
		ids = append(ids, id)
	}
	for _, name := range []string{"Clarity", "Completeness"} {
		add(rubricDocs, "rub_", "", map[string]any{"name": name, "scale": []string{"poor", "fair", "good"}})
	}
	for _, typ := range []string{"report", "protocol"} {
		add(artifactDocs, "art_", typ, map[string]any{"name": "First " + typ, "content": "…"})
	}
	return ids, err
}

// demoEmail is the address of the owner of the demo account.
const demoEmail = "owner@example.com"

// demoStory is what the first start prints: the secrets, and commands for the
// whole life of a key, which a test runs as they stand. The arguments are the
// live key, the test key, the server's URL, the owner's email address and
// password, those of the operator, and a project's id.
const demoStory = `
A demo account has been made. Its keys are shown this once:

  export MEDTWIN_API_KEY=%[1]s    # live data, plan standard
  export MEDTWIN_TEST_KEY=%[2]s   # test data, limits of plan free

So are the passwords of its owner and of the operator:

  %[4]s  %[5]s
  %[6]s  %[7]s

Call it, with each key and with one that is wrong:

  curl %[3]s/health
  curl %[3]s/v1/rubrics -H "Authorization: Bearer $MEDTWIN_API_KEY"
  curl %[3]s/v1/projects -H "Authorization: Bearer $MEDTWIN_API_KEY"
  curl %[3]s/v1/whoami -H "Authorization: Bearer $MEDTWIN_TEST_KEY"
  curl -i %[3]s/v1/projects -H "Authorization: Bearer mt_live_wrong"

Log in, and make a key, which is shown this once:

  pick() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
  JSON="Content-Type: application/json"
  SESSION=$(curl -s %[3]s/v1/auth/login -H "$JSON" -d '{"email": "%[4]s", "password": "%[5]s"}' | pick session_token)
  MADE=$(curl -s %[3]s/v1/api-keys -H "Authorization: Session $SESSION" -H "$JSON" -d '{"name": "Study A Server", "permissions": ["read"]}')
  echo "$MADE"
  KEY=$(echo "$MADE" | pick key) ID=$(echo "$MADE" | pick id)

Limit it to one project; then it sees no other:

  curl -X PATCH %[3]s/v1/api-keys/$ID -H "Authorization: Session $SESSION" -H "$JSON" -d '{"scope": {"projects": ["%[8]s"]}}'
  curl %[3]s/v1/projects -H "Authorization: Bearer $KEY"

Rotate it: the old key lives on for a day from the first use of the new one:

  NEXT=$(curl -s -X POST %[3]s/v1/api-keys/$ID/rotate -H "Authorization: Session $SESSION")
  curl %[3]s/v1/projects -H "Authorization: Bearer $(echo "$NEXT" | pick key)"

Revoke it; from then on it is refused:

  curl -i -X DELETE %[3]s/v1/api-keys/$ID -H "Authorization: Session $SESSION"
  curl -i %[3]s/v1/projects -H "Authorization: Bearer $KEY"

Not for production as it stands: these credentials may do everything and
have been printed, traffic is not encrypted, and the pepper lies beside the
database. Start with --demo=false, behind TLS, with --pepper-file elsewhere.

`

// tellOfDemo says at a later start how to get credentials again, if the demo
// account is there: they were shown when it was made, and cannot be read again.
func (s *server) tellOfDemo(ctx context.Context, url string, stdout io.Writer) error {
	user, err := s.Users().ByEmail(ctx, demoEmail)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	members, err := s.Memberships().OfUser(ctx, user.ID)
	if err != nil || len(members) == 0 {
		return err
	}
	fmt.Fprintf(stdout, `
The demo account was made by an earlier start, which showed its credentials. For new
ones run these, with the --database and --pepper-file of this server:

  server keys create --account %s --name Demo --permissions '*' --projects '*' --artifact_types '*'
  server users reset %s

The token of the second sets another password:

  curl %s/v1/auth/accept -H "Content-Type: application/json" -d '{"token": "…", "password": "…"}'

`, members[0].Account, user.ID, url)
	return nil
}
