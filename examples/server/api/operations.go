package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// supportContact is the address that seed 000 gives to the owners of new keys.
const supportContact = "api-access@medtwin.ai"

// declareOperations declares what the operators do, what happens to accounts
// and keys is told by, and how strangers ask and report.
func (s *server) declareOperations(routes table) {
	access, hooks, operator := accessDesk{s}, hookRoutes{s}, operatorRoutes{s}
	routes.Public("POST /v1/access-requests", "a stranger who asks for access has no credential; seed 000", http.HandlerFunc(access.requestAccess))
	routes.Public("POST /v1/secret-scanning", "reports of leaked keys are signed", http.HandlerFunc(hooks.reportLeaks))

	for _, rt := range []struct {
		pattern, id string
		serve       http.HandlerFunc
	}{
		{"GET /v1/webhooks", "webhooks.list", hooks.listHooks},
		{"POST /v1/webhooks", "webhooks.add", hooks.addHook},
		{"DELETE /v1/webhooks/{id}", "webhooks.remove", hooks.removeHook},
	} {
		need := authz.Need{ID: rt.id, Permission: admin, Environment: live, Cost: -1}
		if rt.id != "webhooks.list" {
			need.Person, need.Recent = true, time.Hour // an endpoint keeps what it is told, and one that is removed hears no more
		}
		routes.Handle(rt.pattern, need, rt.serve)
	}

	for _, rt := range []struct {
		pattern, id string
		serve       http.HandlerFunc
	}{
		{"GET /v1/operator/access-requests", "operator.access_requests.list", access.listRequests},
		{"POST /v1/operator/access-requests/{id}/approve", "operator.access_requests.approve", access.approveRequest},
		{"POST /v1/operator/access-requests/{id}/reject", "operator.access_requests.reject", access.rejectRequest},
		{"GET /v1/operator/accounts", "operator.accounts.list", operator.listAccounts},
		{"POST /v1/operator/accounts/{id}/suspend", "operator.accounts.suspend", operator.suspendAccount},
		{"POST /v1/operator/accounts/{id}/unsuspend", "operator.accounts.unsuspend", operator.unsuspendAccount},
		{"PUT /v1/operator/accounts/{id}/plan", "operator.accounts.plan", operator.putPlan},
		{"GET /v1/operator/audit-log", "operator.audit.list", operator.operatorLog},
	} {
		need := authz.Need{ID: rt.id, Permission: operate, Person: true, Cost: -1, Recent: 12 * time.Hour} // it looks into every account
		if rt.pattern[:4] != "GET " {
			need.Recent = time.Hour // it reaches into every account
		}
		routes.Handle(rt.pattern, need, rt.serve)
	}
}

// operatorRoutes are those of the people who run the service.
type operatorRoutes struct{ *server }

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
	return accountAnswer{a.ID, a.Name, a.Status.String(), a.Plan, a.Limits, wire.FormatTime(a.Created)}
}

func (s operatorRoutes) listAccounts(w http.ResponseWriter, r *http.Request) {
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	accounts, err := s.Accounts().List(r.Context(), after, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, wire.NewPage(accounts, limit, func(a store.Account) string { return a.ID }, renderAccount))
}

func (s operatorRoutes) suspendAccount(w http.ResponseWriter, r *http.Request) {
	s.changeStatus(w, r, authz.Suspended)
}

func (s operatorRoutes) unsuspendAccount(w http.ResponseWriter, r *http.Request) {
	s.changeStatus(w, r, authz.Active)
}

func (s operatorRoutes) changeStatus(w http.ResponseWriter, r *http.Request, status authz.Status) {
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
func (s operatorRoutes) setStatus(ctx context.Context, by actor, id string, status authz.Status) error {
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
	s.gate.Record(ctx, by.event(id, kind, id, ""))
	return nil
}

func (s operatorRoutes) putPlan(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Plan   string `json:"plan"`
		Limits string `json:"limits"`
	}
	err := wire.Decode(w, r, &body)
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

func (s operatorRoutes) setPlan(ctx context.Context, by actor, id, plan, limits string) error {
	if err := s.checkPlan(plan, limits); err != nil {
		return errPlan
	}
	if err := s.Accounts().SetPlan(ctx, id, plan, limits); err != nil {
		return err
	}
	s.sessions.Forget(id)
	s.gate.Record(ctx, by.event(id, "account.plan_changed", id, planNote(plan, limits)))
	return nil
}

func planNote(plan, limits string) string {
	if limits != "" {
		plan += ", " + limits
	}
	return plan
}

func (s operatorRoutes) showAccount(w http.ResponseWriter, r *http.Request, id string) {
	a, err := s.Accounts().Get(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, renderAccount(a))
}

// operatorLog is what has happened in ?account or, without one, what concerns the operators
// alone.
func (s operatorRoutes) operatorLog(w http.ResponseWriter, r *http.Request) {
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	events, err := s.Events().List(r.Context(), r.URL.Query().Get("account"), after, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, wire.NewPage(events, limit, func(e store.Event) string { return e.ID }, renderEvent))
}

type eventAnswer struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Actor   string `json:"actor"`
	Subject string `json:"subject"`
	Address string `json:"address,omitempty"`
	At      string `json:"at"`
	Note    string `json:"note,omitempty"`
}

func renderEvent(e store.Event) eventAnswer {
	return eventAnswer{e.ID, e.Kind, e.Actor, e.Subject, e.Address, wire.FormatTime(e.At), e.Note}
}

// checkPlan returns an error for limits that the server would have to ignore.
func (s *server) checkPlan(plan, limits string) error {
	if p, _ := s.gate.PlanOf(&authn.Principal{AccountPlan: plan}); p.Name() != plan {
		return fmt.Errorf("unknown plan %q: want free, standard or enterprise", plan)
	}
	if limits != "" {
		_, err := ratelimit.ParsePlan("own", limits)
		return err
	}
	return nil
}
