package portal

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// changePassword ends all sessions of the caller and begins one. Keys that the caller has
// made lately may be those of a thief: the answer counts them, and they are revoked if the
// body says so.
func (p *loginRoutes) changePassword(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Current string `json:"current_password"`
		Next    string `json:"new_password"`
		Days    *int   `json:"revoke_keys_days"`
	}
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	if body.Days != nil && (*body.Days < 1 || *body.Days > maxRecentDays) {
		return errRecentDays
	}
	by, now := caller(r), p.of.Now()
	done, err := p.gate.Logins().ChangePassword(r.Context(), by, body.Current, body.Next, now)
	if errors.Is(err, login.ErrFailed) { // not 401: the session is good
		return wire.Invalid("wrong_password", "The current password is another one.")
	}
	if err != nil {
		return err
	}
	p.record(r, "password.changed", by.User, "")
	keys := p.recentKeys(r, by.User, body.Days, now)
	if done.Token.IsZero() { // the password is changed, and the caller logs in anew
		http.SetCookie(w, p.gate.Logins().DeviceCookie(deviceCookie, done.Device, now)) // the former one is void
		return wire.JSON(w, http.StatusOK, map[string]any{"recent_keys": keys})
	}
	return p.showSession(w, r, done, keys, now)
}

// requestReset has a token mailed with which the person chooses another password. The
// answer is the same, and takes the same time, whether or not the address has a user: who
// has it is looked up after the answer.
func (p *loginRoutes) requestReset(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Email string `json:"email"`
	}
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	email := login.Email(body.Email)
	switch {
	case email == "":
		return errEmail
	case p.Mail == nil:
		return noMail("reset a password")
	}
	if err := p.asks.reset(r.Context(), p.gate.ClientAddr(r), email, p.of.Now()); err != nil {
		return err
	}
	address := p.address(r)
	if !p.post.add(func(ctx context.Context) (Mail, error) { return p.resetMail(ctx, email, address) }) {
		return errPost
	}
	return wire.JSON(w, http.StatusAccepted, map[string]string{
		"detail": "If this address has a user, a mail is on its way that says how to choose another password.",
	})
}

// resetMail makes a token for the user with that address, or no mail if there is none.
func (p *loginRoutes) resetMail(ctx context.Context, email, address string) (Mail, error) {
	user, err := p.of.Store.Users().ByEmail(ctx, email)
	if err != nil || user.Status != authz.Active {
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return Mail{}, err
	}
	token, err := p.gate.Logins().Reset(ctx, user.ID, p.of.Now())
	if err != nil {
		return Mail{}, err
	}
	p.recordUser(ctx, store.Event{Actor: "anybody", Kind: "password.reset", Subject: user.ID, Address: address, Note: "a mail was asked for"})
	return Mail{
		To: email, Subject: "Choose another password",
		Text: "Somebody, probably you, has asked for another password for this address.\n\n" +
			p.howToUse(token) + "\nThis works once, within an hour. It ends all your sessions.\n\n" +
			"If you did not ask for this, do nothing: your password stays as it is.\n",
	}, nil
}

// accept uses the token of a mail: an invitation or a reset.
func (p *loginRoutes) accept(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Token    string `json:"token"`
		Password string `json:"password"` // of a new user, or another one; "": the present one stays
	}
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	done, err := p.gate.Logins().Accept(r.Context(), body.Token, body.Password, p.gate.ClientAddr(r), p.of.Now())
	if err != nil {
		return err
	}
	e := store.Event{Actor: done.User, Subject: done.User, Address: p.address(r)}
	if done.Account == "" {
		e.Kind, e.Note = "password.changed", "by a mailed token"
		p.recordUser(r.Context(), e)
	} else {
		e.Account, e.Kind, e.Note = done.Account, "member.added", "by invitation"
		p.gate.Record(r.Context(), e)
	}
	w.Header().Set("Cache-Control", "private, no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// recordUser records an event about a person in all accounts that they belong to, or in
// the operator's log if they belong to none.
func (p *loginRoutes) recordUser(ctx context.Context, e store.Event) {
	reading, cancel := detached(ctx)
	defer cancel()
	members, err := p.of.Store.Memberships().OfUser(reading, e.Subject)
	if err != nil || len(members) == 0 {
		members = []store.Membership{{}}
	}
	for _, m := range members {
		e.Account = m.Account
		p.gate.Record(ctx, e)
	}
}

// asks limits how often mail is sent to an address because others ask for it.
type asks struct {
	counters           ratelimit.Store
	byClient, byTarget *ratelimit.Plan
}

func newAsks() (a asks, err error) {
	a.counters = ratelimit.NewMemory(10_000)
	if a.byClient, err = ratelimit.ParsePlan("client", "20-H"); err != nil {
		return a, err
	}
	a.byTarget, err = ratelimit.ParsePlan("address", "5-H")
	return a, err
}

// reset counts one mail that a client without a credential asks for, whether or not the
// address has a user.
func (a asks) reset(ctx context.Context, client netip.Addr, email string, now time.Time) error {
	if err := a.take(ctx, "resets by client", ratelimit.AddrSubject(client), a.byClient, now); err != nil {
		return err
	}
	return a.take(ctx, "resets by address", email, a.byTarget, now)
}

// invitation counts one mail from an account to an address, so that no account can fill
// somebody's mailbox.
func (a asks) invitation(ctx context.Context, account, email string, now time.Time) error {
	return a.take(ctx, "invitations by account "+account, email, a.byTarget, now)
}

func (a asks) take(ctx context.Context, scope, subject string, plan *ratelimit.Plan, now time.Time) error {
	d, err := a.counters.Take(ctx, ratelimit.Take{Scope: scope, Subject: subject, Plan: plan, Cost: 1}, now)
	if err == nil && !d.Allowed {
		err = &problem.Problem{Status: http.StatusTooManyRequests, Retry: d.Retry, Detail: "Too many mails to this address: look into its mailbox, or wait for the seconds that Retry-After names."}
	}
	return err
}
