package login_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

const (
	cyEmail = "cy@example.com"
	second  = "acct_2"
)

// invite returns an invitation of the account and its token.
func (d *desk) invite(email string) (store.Invitation, string) {
	d.t.Helper()
	return d.inviteTo(account, email, "viewer")
}

func (d *desk) inviteTo(account, email, role string) (store.Invitation, string) {
	d.t.Helper()
	err := d.store.Accounts().Create(d.t.Context(), store.Account{ID: account})
	if err != nil && err != store.ErrConflict {
		d.t.Fatal(err)
	}
	i, token, err := d.logins.Invite(d.t.Context(), store.Invitation{Account: account, Email: email, Name: "Cy", Role: role, By: ann}, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return i, token
}

func (d *desk) memberOf(account, user string) bool {
	_, err := d.store.Memberships().Get(d.t.Context(), account, user)
	return err == nil
}

// An invitation makes neither user nor membership. Accepted, it makes both, once.
func TestInvitation(t *testing.T) {
	d := newDesk(t)
	i, token := d.invite(cyEmail)
	if _, err := d.store.Users().ByEmail(t.Context(), cyEmail); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the invited address: got %v, want that it has no user", err)
	}
	d.now = i.Expires.Add(-time.Second)
	done, err := d.accept(token, other)
	if err != nil || done.Account != account {
		t.Fatalf("got %+v, %v, want the account %s", done, err, account)
	}
	got := d.user(done.User)
	if got.Email != cyEmail || got.Name != "Cy" || got.Status != authz.Active {
		t.Errorf("got %+v, want Cy with the address %s", got, cyEmail)
	}
	if _, err := d.try(cyEmail, other); err != nil {
		t.Errorf("got %v, want to log in", err)
	}
	if got, err := d.accept(token, right); err != login.ErrToken {
		t.Errorf("again: got %+v, %v, want ErrToken", got, err)
	}
}

// Who has a password keeps it: an invitation makes them a member and nothing else.
// case S28
func TestInvitationOfUser(t *testing.T) {
	d := newDesk(t)
	before := d.user(ann)
	_, token := d.inviteTo(second, annEmail, "viewer")
	if d.memberOf(second, ann) {
		t.Error("got a member before the invitation was accepted")
	}
	if _, err := d.accept(token, other); err != login.ErrPasswordNotWanted {
		t.Errorf("with a password: got %v, want ErrPasswordNotWanted", err)
	}
	done, err := d.accept(token, "")
	if err != nil || done != (login.Accepted{User: ann, Account: second}) || !d.memberOf(second, ann) {
		t.Errorf("got %+v, %v, want that Ann is a member", done, err)
	}
	if d.user(ann) != before {
		t.Errorf("got %+v, want %+v", d.user(ann), before)
	}
}

// Who has none chooses one.
func TestInvitationOfUserWithoutPassword(t *testing.T) {
	d := newDesk(t)
	email := d.add("user_x", "", authz.Active)
	_, token := d.inviteTo(second, email, "viewer")
	if _, err := d.accept(token, ""); err != login.ErrPasswordRequired {
		t.Errorf("got %v, want ErrPasswordRequired", err)
	}
	if _, err := d.accept(token, other); err != nil || !d.memberOf(second, "user_x") {
		t.Errorf("got %v, want a member", err)
	}
	if _, err := d.try(email, other); err != nil {
		t.Errorf("got %v, want to log in", err)
	}
}

// An invitation ends when it is used, when another is made for the same address, when it
// is withdrawn, when it expires, and when its user is suspended. What has ended does not
// come back, and another account's invitation has no part in that. case S28
func TestInvitationEnds(t *testing.T) {
	tests := []struct {
		name  string
		do    func(d *desk, i store.Invitation) error
		lives bool
	}{
		{"nothing", func(*desk, store.Invitation) error { return nil }, true},
		{"another account invites", func(d *desk, _ store.Invitation) error { d.inviteTo(second, annEmail, "owner"); return nil }, true},
		{"another to the same address", func(d *desk, _ store.Invitation) error { d.inviteTo("acct_9", annEmail, "owner"); return nil }, false},
		{"withdrawn", func(d *desk, i store.Invitation) error {
			return d.store.Invitations().Remove(t.Context(), i.Account, i.ID)
		}, false},
		{"withdrawn and made again", func(d *desk, i store.Invitation) error {
			err := d.store.Invitations().Remove(t.Context(), i.Account, i.ID)
			d.inviteTo("acct_9", annEmail, "viewer")
			return err
		}, false},
		{"expired", func(d *desk, i store.Invitation) error { d.now = i.Expires; return nil }, false},
		{"suspended", func(d *desk, _ store.Invitation) error { d.status(authz.Suspended); return nil }, false},
		{"member meanwhile", func(d *desk, _ store.Invitation) error {
			return d.store.Memberships().Put(t.Context(), store.Membership{User: ann, Account: "acct_9", Role: "editor"})
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			i, token := d.inviteTo("acct_9", annEmail, "viewer")
			if err := tt.do(d, i); err != nil {
				t.Fatal(err)
			}
			_, err := d.accept(token, "")
			if tt.lives {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			if err != login.ErrToken {
				t.Errorf("got %v, want ErrToken", err)
			}
			if m, err := d.store.Memberships().Get(t.Context(), "acct_9", ann); err == nil && m.Role != "editor" {
				t.Errorf("got the membership %+v, want none by the invitation", m)
			}
		})
	}
}

// Two accounts invite the same address. Its owner accepts both, and neither account can
// use it before.
func TestInvitationsOfTwoAccounts(t *testing.T) {
	d := newDesk(t)
	_, first := d.inviteTo(second, cyEmail, "viewer")
	_, next := d.inviteTo("acct_3", cyEmail, "owner")
	done, err := d.accept(next, other)
	if err != nil {
		t.Fatal(err)
	}
	if d.memberOf(second, done.User) {
		t.Error("got a member of the other account")
	}
	again, err := d.accept(first, "")
	if err != nil || again.User != done.User || !d.memberOf(second, done.User) {
		t.Errorf("got %+v, %v, want the same user", again, err)
	}
}

// A password that nobody should have leaves the invitation good, and makes no user.
func TestInvitationPolicy(t *testing.T) {
	d := newDesk(t)
	_, token := d.invite(cyEmail)
	for _, next := range []string{"short", cyEmail + cyEmail} {
		if _, err := d.accept(token, next); !errors.Is(err, password.ErrInvalid) {
			t.Errorf("got %v, want ErrInvalid", err)
		}
	}
	if _, err := d.accept(token, ""); err != login.ErrPasswordRequired {
		t.Errorf("got %v, want ErrPasswordRequired", err)
	}
	if _, err := d.store.Users().ByEmail(t.Context(), cyEmail); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want no user", err)
	}
	if _, err := d.accept(token, other); err != nil {
		t.Error(err)
	}
}

// Of those who accept at once one does, and there is one user.
func TestInvitationAtOnce(t *testing.T) {
	d := newDesk(t)
	_, token := d.invite(cyEmail)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() { _, errs[i] = d.accept(token, other) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		switch err {
		case nil:
			won++
		case login.ErrToken, login.ErrPasswordNotWanted:
		default:
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d accepted, want 1", won)
	}
	if _, err := d.try(cyEmail, other); err != nil {
		t.Errorf("got %v, want to log in", err)
	}
}

// A process that dies between the user and the membership leaves an invitation that can
// be accepted again.
func TestInvitationAfterCrash(t *testing.T) {
	d := newDesk(t)
	_, token := d.invite(cyEmail)
	if err := d.store.Users().Create(t.Context(), store.User{ID: "user_cy", Email: cyEmail, Password: hashed()}); err != nil {
		t.Fatal(err)
	}
	if done, err := d.accept(token, ""); err != nil || done.User != "user_cy" || !d.memberOf(account, "user_cy") {
		t.Errorf("got %+v, %v, want user_cy as a member", done, err)
	}
}

func TestInviteRefuses(t *testing.T) {
	d := newDesk(t)
	for _, email := range []string{"", "Cy@Example.com", "cy", "cy@example.com, ann@example.com"} {
		if _, _, err := d.logins.Invite(t.Context(), store.Invitation{Account: account, Email: email, Role: "viewer"}, d.now); !errors.Is(err, authn.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", email, err)
		}
	}
	if _, _, err := d.logins.Invite(t.Context(), store.Invitation{Account: "acct_none", Email: cyEmail, Role: "viewer"}, d.now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such account: got %v, want ErrNotFound", err)
	}
}
