package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// people remembers which account vouches for the address of a user. An account
// that invites somebody could accept the invitation in their place. So another
// account cannot add a user with the same address. Only the operator can, who
// sends invitations to the address.
type people struct{ db *database.DB }

// vouch notes that an account has made a user, "" that the operator knows them.
// Without its quotes "user" would be the role of a connection to Postgres.
func (p *people) vouch(ctx context.Context, user, account string) (err error) {
	if account == "" {
		_, err = p.db.Exec(ctx, `DELETE FROM server_people WHERE "user" = ?1`, user)
	} else {
		_, err = p.db.Exec(ctx, `INSERT INTO server_people ("user", account) VALUES (?1, ?2)`, user, account)
	}
	return err
}

// voucher returns the account that has made a user, "" for the operator.
func (p *people) voucher(ctx context.Context, user string) (account string, err error) {
	err = p.db.Row(ctx, `SELECT account FROM server_people WHERE "user" = ?1`, user).Scan(&account)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return account, err
}

// newUser makes a user. Without a password they are to be invited.
func (s *server) newUser(ctx context.Context, email, name, text, voucher string) (user store.User, err error) {
	now := s.now()
	user = store.User{ID: keyfmt.NewID("user_", now), Email: email, Name: name, Status: authz.Active, Created: now.UTC()}
	if text != "" {
		if err := s.gate.Passwords().Check(ctx, text, email, name); err != nil {
			return user, err
		}
		if user.Password, err = s.gate.Passwords().Hash(ctx, text); err != nil {
			return user, err
		}
	}
	if voucher != "" { // first, so that they are never taken for the operator's
		if err := s.people.vouch(ctx, user.ID, voucher); err != nil {
			return user, err
		}
	}
	return user, s.Users().Create(ctx, user)
}

// addUser makes a person a member of an account on behalf of the operator.
// A person without a password is then to be invited.
func (s *server) addUser(ctx context.Context, email, name, text, account, role string) (store.User, error) {
	email = login.Email(email)
	switch {
	case email == "":
		return store.User{}, errors.New("want one email address, such as ann@example.com")
	case (role == roleOperator) != (account == operators) || role != roleOperator && !slices.Contains(roles, role):
		return store.User{}, fmt.Errorf("there is no role %q in %s", role, account)
	}
	user, err := s.Users().ByEmail(ctx, email)
	switch {
	case errors.Is(err, store.ErrNotFound):
		user, err = s.newUser(ctx, email, name, text, "")
	case err == nil && text != "":
		err = fmt.Errorf("%s has that address already, and chooses their own password", user.ID)
	case err == nil:
		user, err = s.adopt(ctx, user)
	}
	if err == nil {
		err = s.Memberships().Put(ctx, store.Membership{User: user.ID, Account: account, Role: role, Created: s.now().UTC()})
	}
	return user, err
}

// adopt has the operator vouch for a user instead of the account that made
// them. That account may have chosen the password, so adopt removes it with all
// that began with it. It removes the membership there as well: otherwise the
// user would log in to a place that others have prepared for them.
func (s *server) adopt(ctx context.Context, user store.User) (store.User, error) {
	voucher, err := s.people.voucher(ctx, user.ID)
	if err != nil || voucher == "" {
		return user, err
	}
	if _, err := s.Users().SetPassword(ctx, user, ""); err != nil { // ends invitations too
		return user, err
	}
	if err := s.Memberships().Remove(ctx, voucher, user.ID); err == nil {
		s.note(ctx, store.Event{Account: voucher, Actor: "operator", Kind: "member.removed", Subject: user.ID, Note: "known to the operator now"})
		ended, err := s.endKeys(ctx, voucher, user.ID)
		for _, id := range ended {
			s.note(ctx, store.Event{Account: voucher, Actor: "operator", Kind: "key.revoked", Subject: id, Note: memberRemoved})
		}
		if err != nil {
			return user, err
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return user, err
	}
	if err := s.people.vouch(ctx, user.ID, ""); err != nil {
		return user, err
	}
	// This also ends an invitation that was made meanwhile, and a password that
	// was chosen with it.
	for range 10 {
		if user, err = s.Users().Get(ctx, user.ID); err == nil {
			_, err = s.Users().SetPassword(ctx, user, "")
		}
		if !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	if err != nil {
		return user, err
	}
	s.sessions.Forget(user.ID)
	return s.Users().Get(ctx, user.ID)
}

// addOperator makes a person an operator of the service.
func (s *server) addOperator(ctx context.Context, email, text string) error {
	err := s.ensureOperators(ctx)
	if err == nil {
		_, err = s.addUser(ctx, email, "Operator", text, operators, roleOperator)
	}
	return err
}

func (s *server) ensureOperators(ctx context.Context) error {
	err := s.Accounts().Create(ctx, operatorsAccount(s.now()))
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

func operatorsAccount(now time.Time) store.Account {
	return store.Account{ID: operators, Name: "Operators", Status: authz.Active, Created: now.UTC()}
}
