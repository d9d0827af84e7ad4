// Command cookie serves a page to people who have logged in, with a session in a cookie.
//
// The first person is invited on the command line, and chooses a password with the token:
//
//	go run . users invite you@example.com acme owner
package main

import (
	"fmt"
	"log"
	"net/http"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal"
)

func main() {
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store:   tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})),
		Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")),
		Prefix:  "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"},
	}))
	// The portal has the routes that the page below calls. "cookie": true keeps the
	// session's token from the scripts of the page.
	tollgate.Must(portal.Handler(portal.Config{Gate: gate, Mail: portal.MailToLog(nil)}))
	gate.Public("GET /login", "the page on which people log in", http.HandlerFunc(login))
	gate.Handle("GET /{$}", authz.Need{ID: "home", Person: true}, http.HandlerFunc(home))
	tollgate.Main(gate)
	log.Fatal(http.ListenAndServe("localhost:8080", gate))
}

func home(w http.ResponseWriter, r *http.Request) {
	caller, _ := authn.FromContext(r.Context())
	fmt.Fprintf(w, "You are %s, and act for %s.\n", caller.User, caller.Account)
}

func login(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, page)
}

// Browsers take a Secure cookie from localhost without TLS; elsewhere serve HTTPS.
const page = `<!doctype html><title>Log in</title>
<form><input name=email type=email autocomplete=username> <input name=password type=password autocomplete=current-password> <button>Log in</button></form>
<p id=answer></p>
<script>
document.forms[0].onsubmit = async event => {
  event.preventDefault()
  const body = JSON.stringify({...Object.fromEntries(new FormData(event.target)), cookie: true})
  const answer = await fetch("/v1/auth/login", {method: "POST", headers: {"Content-Type": "application/json"}, body})
  if (answer.ok) location = "/"
  else document.getElementById("answer").textContent = (await answer.json()).detail
}
</script>
`
