package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"medtwin.ai/tollgate/store"
)

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

  server keys create --account %s --name Demo --permissions '*'
  server users invite %s

The invitation sets another password:

  curl %s/v1/auth/accept -H "Content-Type: application/json" -d '{"token": "…", "password": "…"}'

`, members[0].Account, user.ID, url)
	return nil
}
