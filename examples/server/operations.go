package main

import (
	"context"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// supportContact is the address that seed 000 gives to the owners of new keys.
const supportContact = "api-access@medtwin.ai"

// declareOperations declares what the operators do, what happens to accounts
// and keys is told by, and how strangers ask and report.
func (s *server) declareOperations(routes table) {
	routes.Public("POST /v1/access-requests", "a stranger who asks for access has no credential; seed 000", http.HandlerFunc(s.requestAccess))
	routes.Public("POST /v1/secret-scanning", "reports of leaked keys are signed", http.HandlerFunc(s.reportLeaks))

	audit := authz.Need{ID: "audit.list", Permission: admin, Environment: live, Cost: -1}
	routes.Handle("GET /v1/audit-log", audit, http.HandlerFunc(s.auditLog))

	for _, rt := range []struct {
		pattern, id string
		serve       http.HandlerFunc
	}{
		{"GET /v1/webhooks", "webhooks.list", s.listHooks},
		{"POST /v1/webhooks", "webhooks.add", s.addHook},
		{"DELETE /v1/webhooks/{id}", "webhooks.remove", s.removeHook},
	} {
		need := authz.Need{ID: rt.id, Permission: admin, Environment: live, Cost: -1}
		if rt.id != "webhooks.list" {
			need.Recent = time.Hour // an endpoint keeps what it is told, and one that is removed hears no more
		}
		routes.Handle(rt.pattern, need, rt.serve)
	}

	for _, rt := range []struct {
		pattern, id string
		serve       http.HandlerFunc
	}{
		{"GET /v1/operator/access-requests", "operator.access_requests.list", s.listRequests},
		{"POST /v1/operator/access-requests/{id}/approve", "operator.access_requests.approve", s.approveRequest},
		{"POST /v1/operator/access-requests/{id}/reject", "operator.access_requests.reject", s.rejectRequest},
		{"GET /v1/operator/accounts", "operator.accounts.list", s.listAccounts},
		{"POST /v1/operator/accounts/{id}/suspend", "operator.accounts.suspend", s.suspendAccount},
		{"POST /v1/operator/accounts/{id}/unsuspend", "operator.accounts.unsuspend", s.unsuspendAccount},
		{"PUT /v1/operator/accounts/{id}/plan", "operator.accounts.plan", s.putPlan},
		{"GET /v1/operator/audit-log", "operator.audit.list", s.operatorLog},
	} {
		need := authz.Need{ID: rt.id, Permission: operate, Cost: -1, Recent: 12 * time.Hour} // it looks into every account
		if rt.pattern[:4] != "GET " {
			need.Recent = time.Hour // it reaches into every account
		}
		routes.Handle(rt.pattern, need, rt.serve)
	}
}

// An accountAnswer is an account as operators see it.
type accountAnswer struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	Plan    string `json:"plan"`
	Limits  string `json:"limits,omitempty"` // of its own
	Created string `json:"created_at"`
}

func renderAccount(a store.Account) accountAnswer {
	return accountAnswer{a.ID, a.Name, a.Status.String(), a.Plan, a.Limits, rfc3339(a.Created)}
}

func (s *server) listAccounts(w http.ResponseWriter, r *http.Request) {
	after, limit, err := pageOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	accounts, err := s.Accounts().List(r.Context(), after, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, pageFrom(accounts, limit, func(a store.Account) string { return a.ID }, renderAccount))
}

// pageFrom makes the page of a list of which one more was read than is shown.
func pageFrom[T, A any](list []T, limit int, id func(T) string, render func(T) A) page {
	p := page{Data: []any{}}
	for i, x := range list {
		if i == limit {
			p.Next = id(list[i-1])
			break
		}
		p.Data = append(p.Data, render(x))
	}
	return p
}

func (s *server) suspendAccount(w http.ResponseWriter, r *http.Request) {
	s.changeStatus(w, r, authz.Suspended)
}

func (s *server) unsuspendAccount(w http.ResponseWriter, r *http.Request) {
	s.changeStatus(w, r, authz.Active)
}

func (s *server) changeStatus(w http.ResponseWriter, r *http.Request, status authz.Status) {
	id := r.PathValue("id")
	if id == operators { // nobody could undo it
		s.fail(w, r, invalid(http.StatusConflict, "operators_account", "The operators' own account is not suspended from here."))
		return
	}
	if err := s.setStatus(r.Context(), s.actor(r), id, status); err != nil {
		s.fail(w, r, err)
		return
	}
	s.showAccount(w, r, id)
}

var errNotSuspended = invalid(http.StatusConflict, "not_suspended", "The account is not suspended.")

// setStatus suspends an account or ends that. Doing it again changes nothing.
func (s *server) setStatus(ctx context.Context, by actor, id string, status authz.Status) error {
	a, err := s.Accounts().Get(ctx, id)
	switch {
	case err != nil || a.Status == status:
		return err
	case status == authz.Active && a.Status != authz.Suspended:
		return errNotSuspended
	}
	if err := s.Accounts().SetStatus(ctx, id, status); err != nil {
		return err
	}
	s.sessions.Forget(id)
	kind := "account.suspended"
	if status == authz.Active {
		kind = "account.unsuspended"
	}
	s.note(ctx, by.event(id, kind, id, ""))
	return nil
}

func (s *server) putPlan(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Plan   string `json:"plan"`
		Limits string `json:"limits"`
	}
	err := decode(w, r, &body)
	if err == nil {
		err = s.setPlan(r.Context(), s.actor(r), r.PathValue("id"), body.Plan, body.Limits)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.showAccount(w, r, r.PathValue("id"))
}

var errPlan = invalid(http.StatusBadRequest, "invalid_plan", "plan must be free, standard or enterprise, and limits, if given, as in 600-M, 1000000-D.")

func (s *server) setPlan(ctx context.Context, by actor, id, plan, limits string) error {
	if err := s.checkPlan(plan, limits); err != nil {
		return errPlan
	}
	if err := s.Accounts().SetPlan(ctx, id, plan, limits); err != nil {
		return err
	}
	s.sessions.Forget(id)
	s.note(ctx, by.event(id, "account.plan_changed", id, planNote(plan, limits)))
	return nil
}

func planNote(plan, limits string) string {
	if limits != "" {
		plan += ", " + limits
	}
	return plan
}

func (s *server) showAccount(w http.ResponseWriter, r *http.Request, id string) {
	a, err := s.Accounts().Get(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, renderAccount(a))
}
