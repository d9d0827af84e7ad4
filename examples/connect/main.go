// Command connect guards a Connect API. The gate is in front of the handlers: an
// interceptor would run when a message has been read and decoded already.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
)

var form = connect.NewErrorWriter()

// refuse answers clients of Connect, gRPC and gRPC-Web in the form of their protocol.
func refuse(w http.ResponseWriter, r *http.Request, p problem.Problem) {
	if !form.IsSupported(r) {
		problem.Write(w, r, p)
		return
	}
	p = problem.Prepare(w, r, p)
	code, ok := map[int]connect.Code{
		401: connect.CodeUnauthenticated, 403: connect.CodePermissionDenied, 404: connect.CodeNotFound,
		429: connect.CodeResourceExhausted, 503: connect.CodeUnavailable,
	}[p.Status]
	if !ok {
		code = connect.CodeInternal
	}
	err := connect.NewError(code, errors.New(p.Detail))
	if n := p.RetrySeconds(); n > 0 {
		err.Meta().Set("Retry-After", strconv.FormatInt(n, 10))
	}
	form.Write(w, r, err)
}

// get answers with the caller's account, as the method of a generated service would.
func get(ctx context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
	p, _ := authn.FromContext(ctx)
	return connect.NewResponse(wrapperspb.String(r.Msg.GetValue() + " for " + p.Account)), nil
}

func main() {
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store: tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})), Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")), Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Plans: map[string]string{"standard": "10-M"}, Errors: refuse,
	}))
	// Every procedure is a route of the gate. One that is not here is 404.
	handle := func(procedure string, need authz.Need) {
		gate.Handle("POST "+procedure, need, connect.NewUnaryHandler(procedure, get))
	}
	handle("/acme.Notes/Get", authz.Need{ID: "notes.get", Permission: "read", ReadOnly: true})
	handle("/acme.Notes/Put", authz.Need{ID: "notes.put", Permission: "write"})
	tollgate.Main(gate)
	log.Fatal(http.ListenAndServe("localhost:8080", gate))
}
