package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// terms are what an access request is approved on.
type terms struct {
	Plan        string   `json:"plan"`        // default: free
	Limits      string   `json:"limits"`      // of its own, instead of the plan's
	Environment string   `json:"environment"` // of the first key; default: live
	Permissions []string `json:"permissions"` // likewise; default: read and write
}

// An approval is what seed 000 promises: a key, its limits and whom to write
// to. The key and the invitation can be seen this once.
type approval struct {
	AccountID      string       `json:"account_id"`
	KeyID          string       `json:"key_id"`
	Key            string       `json:"key"`
	Plan           string       `json:"plan"`
	Limits         []shownLimit `json:"limits"`
	SupportContact string       `json:"support_contact"`
	Invitation     string       `json:"invitation"` // for the address of the request alone: it makes its reader the owner
}

// A shownLimit is one limit of a plan.
type shownLimit struct {
	Name   string `json:"name"`
	Quota  int64  `json:"quota"`
	Window int64  `json:"window_seconds,omitempty"` // none: a billing month
}

func limitsOf(plan *ratelimit.Plan) (list []shownLimit) {
	for _, l := range plan.Limits() {
		list = append(list, shownLimit{l.Name, l.Quota, int64(l.Window / time.Second)})
	}
	return list
}

// complete fills in the defaults and checks the terms.
func (s accessDesk) complete(t *terms) error {
	t.Plan, t.Environment = cmp.Or(t.Plan, "free"), cmp.Or(t.Environment, live)
	if t.Permissions == nil {
		t.Permissions = []string{read, write}
	}
	if err := s.checkPlan(t.Plan, t.Limits); err != nil {
		return errPlan
	}
	if t.Environment != live && t.Environment != test {
		return invalid(http.StatusBadRequest, "invalid_field", "environment must be live or test.")
	}
	if all := s.everything().Permissions.Items(); len(t.Permissions) == 0 ||
		slices.ContainsFunc(t.Permissions, func(p string) bool { return !slices.Contains(all, p) }) {
		return invalid(http.StatusBadRequest, "invalid_field", "permissions must be some of read, write, delete and admin.")
	}
	return nil
}

// approve makes an account, its owner and a first key for a request, once. Of
// several approvals at the same time, one succeeds. One that died half-way can
// be repeated after claimed.
func (s accessDesk) approve(ctx context.Context, by actor, id string, t terms) (done approval, err error) {
	if err := s.complete(&t); err != nil {
		return done, err
	}
	ctx, cancel := detached(ctx, handlerTimeout) // a client that hangs up leaves nothing half-made
	defer cancel()
	since := s.now().UTC().Truncate(time.Microsecond)
	q, err := s.requests.claim(ctx, id, since)
	if err != nil {
		return done, err
	}
	defer func() {
		if err != nil {
			ctx, cancel := detached(ctx, recordTimeout) // the other ctx may have ended
			defer cancel()
			if err := s.requests.release(ctx, id, since); err != nil {
				s.log.ErrorContext(ctx, "access request not released", slog.String("request", id), slog.Any("err", err))
			}
		}
	}()
	if err := s.makeAccount(ctx, q, t, since); err != nil {
		return done, err
	}
	invited, token, err := s.logins.Invite(ctx, store.Invitation{Account: q.Account, Email: q.Email, Name: q.Name, Role: roleOwner, By: by.id}, since)
	if err != nil {
		return done, err
	}
	done.Invitation = token
	grant := s.everything()
	grant.Permissions = authz.Of(t.Permissions...)
	key, secret, err := s.keys.Issue(ctx, authn.Operator(q.Account), apikey.Spec{
		Name: "First key", Environment: t.Environment, Grant: grant,
	}, since)
	if err != nil {
		return done, err
	}
	if err := s.requests.approved(ctx, id, by.id, since, s.now()); err != nil {
		ctx, cancel := detached(ctx, recordTimeout)
		defer cancel()
		return done, errors.Join(err, s.keys.Revoke(ctx, authn.Operator(q.Account), key.ID, "approval not completed", s.now()))
	}
	s.gate.Record(ctx, by.event(q.Account, "account.created", q.Account, planNote(t.Plan, t.Limits)))
	s.gate.Record(ctx, by.event(q.Account, "member.invited", invited.ID, invited.Email+", "+roleOwner))
	s.gate.Record(ctx, by.event(q.Account, "key.created", key.ID, key.Name))
	s.gate.Record(ctx, by.event("", "access_request.approved", id, q.Account))

	plan, _ := s.gate.PlanOf(&authn.Principal{Environment: t.Environment, AccountPlan: t.Plan, Limits: t.Limits})
	done.AccountID, done.KeyID, done.Key = q.Account, key.ID, secret.Reveal()
	done.Plan, done.Limits, done.SupportContact = t.Plan, limitsOf(plan), supportContact
	return done, nil
}

// makeAccount makes the account that the request was promised. If the account
// exists, an approval that failed made it, and nobody has seen its keys.
func (s accessDesk) makeAccount(ctx context.Context, q accessRequest, t terms, now time.Time) error {
	err := s.Accounts().Create(ctx, store.Account{
		ID: q.Account, Name: q.Organization, Status: authz.Active, Plan: t.Plan, Limits: t.Limits, Created: now,
	})
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	if err := s.Accounts().SetPlan(ctx, q.Account, t.Plan, t.Limits); err != nil {
		return err
	}
	_, err = s.KeyAdmin().RevokeAll(ctx, q.Account, store.Filter{}, "approval not completed", now)
	return err
}

// reject decides against a request. It closes the account that a failed approval
// has left behind.
func (s accessDesk) reject(ctx context.Context, by actor, id, reason string) error {
	if !wire.Printable(reason, 1, 500) {
		return invalid(http.StatusBadRequest, "invalid_field", "reason must be a text of 1 to 500 characters.")
	}
	ctx, cancel := detached(ctx, handlerTimeout)
	defer cancel()
	reason = s.redacted(reason)
	q, err := s.requests.reject(ctx, id, by.id, reason, s.now())
	if err != nil {
		return err
	}
	if q.Account != "" {
		err = s.Accounts().SetStatus(ctx, q.Account, authz.Suspended)
	}
	s.gate.Record(ctx, by.event("", "access_request.rejected", id, reason))
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return err
}

func (s accessDesk) approveRequest(w http.ResponseWriter, r *http.Request) {
	var t terms
	err := wire.Decode(w, r, &t)
	var done approval
	if err == nil {
		done, err = s.approve(r.Context(), s.actor(r), r.PathValue("id"), t)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.reveal(w, r, http.StatusOK, done)
}

func (s accessDesk) rejectRequest(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Reason string `json:"reason"`
	}
	err := wire.Decode(w, r, &body)
	if err == nil {
		err = s.reject(r.Context(), s.actor(r), r.PathValue("id"), body.Reason)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s accessDesk) listRequests(w http.ResponseWriter, r *http.Request) {
	status := r.URL.Query().Get("status")
	if status != "" && !slices.Contains(statuses, status) {
		s.fail(w, r, invalid(http.StatusBadRequest, "invalid_status", "status must be pending, approved or rejected."))
		return
	}
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list, err := s.requests.list(r.Context(), status, after, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, wire.NewPage(list, limit,
		func(q accessRequest) string { return q.ID }, func(q accessRequest) accessRequest { return q }))
}
