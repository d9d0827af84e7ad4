package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// caller returns who is calling and whose data that is.
func caller(r *http.Request) (authn.Principal, tenant) {
	p, _ := authn.FromContext(r.Context())
	return p, tenant{p.Account, p.Environment}
}

func (s *server) respond(w http.ResponseWriter, r *http.Request, status int, v any) {
	if err := wire.JSON(w, status, v); err != nil {
		s.fail(w, r, err)
	}
}

// reveal answers with something that is shown this once.
func (s *server) reveal(w http.ResponseWriter, r *http.Request, status int, v any) {
	w.Header().Set("Cache-Control", "private, no-store")
	s.respond(w, r, status, v)
}

// fail answers with what err means. What is missing and what is another account's are the
// same here: nothing below tells them apart.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errNoDocument) {
		err = store.ErrNotFound
	}
	s.gate.Refuse(w, r, err)
}

// invalid is a request that cannot be done as it stands, and how to mend it.
func invalid(status int, code, detail string) error {
	return &problem.Problem{Status: status, Code: code, Detail: detail}
}

// detached returns a context that ends after d, whether or not the client hangs up. It
// has an end so that a database that hangs keeps no connection busy and no server from
// ending.
func detached(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}
