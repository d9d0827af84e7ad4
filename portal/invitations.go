package portal

import (
	"errors"
	"fmt"
	"net/http"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// A shownInvitation is an offer of a membership that nobody has accepted yet. Its token
// is in the mail alone.
type shownInvitation struct {
	ID        string     `json:"id"`
	Email     string     `json:"email"`
	Name      string     `json:"name,omitempty"`
	Role      string     `json:"role"`
	Scope     shownScope `json:"scope,omitempty"`
	By        string     `json:"invited_by"`
	CreatedAt string     `json:"created_at"`
	ExpiresAt string     `json:"expires_at"`
	Status    string     `json:"status"` // pending, expired
}

func (p *teamRoutes) showInvitation(i store.Invitation) shownInvitation {
	v := shownInvitation{i.ID, i.Email, i.Name, i.Role, scopeOf(i.Scope), i.By, wire.FormatTime(i.Created), wire.FormatTime(i.Expires), "pending"}
	if i.Expired(p.of.Now()) {
		v.Status = "expired"
	}
	return v
}

var (
	errEmail  = wire.Invalid("invalid_email", "email must be one email address, such as ann@example.com, without a name.")
	errMember = &problem.Problem{Status: http.StatusConflict, Code: "member_exists", Detail: "This person is a member already: change their role with PATCH."}
)

// invite offers a membership to the reader of an address's mail. Nobody is a member
// before they accept, and the answer says nothing of whether the address has a user: all
// store calls are the same in both cases. An invitation takes the place of the account's
// earlier one to the address.
func (p *teamRoutes) invite(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	var body struct {
		Email string              `json:"email"`
		Role  string              `json:"role"`
		Name  string              `json:"name"`
		Scope map[string][]string `json:"scope"`
	}
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	i := store.Invitation{Account: by.Account, Email: login.Email(body.Email), Name: p.gate.Redact(body.Name), Role: body.Role, By: by.User}
	switch {
	case i.Email == "":
		return errEmail
	case !wire.Printable(body.Name, 0, 200):
		return wire.Invalid("invalid_name", "name must be one line of at most 200 printable characters.")
	case p.Mail == nil:
		return noMail("invite people")
	}
	if body.Scope != nil {
		var err error
		if i.Scope, err = p.readScope(body.Scope, p.of.Resources); err != nil {
			return err
		}
	}
	if err := p.mayMake(r, by, i.Membership("", i.Created)); err != nil {
		return err
	}
	member, err := p.hasMember(r, by.Account, i.Email)
	switch {
	case err != nil:
		return err
	case member:
		return errMember
	}
	if err := p.asks.invitation(r.Context(), by.Account, i.Email, p.of.Now()); err != nil {
		return err
	}
	account, err := p.of.Store.Accounts().Get(r.Context(), by.Account)
	if err != nil {
		return err
	}
	ctx, cancel := detached(r.Context()) // a stored invitation has its mail
	defer cancel()
	i, token, err := p.gate.Logins().Invite(ctx, i, p.of.Now())
	if err != nil {
		return err
	}
	p.record(r, "member.invited", i.ID, i.Email+", "+i.Role)
	if !p.send(p.invitationMail(i, account, token)) {
		return errPost
	}
	return wire.JSON(w, http.StatusAccepted, p.showInvitation(i))
}

// nobody is an id that no user has.
const nobody = "user_nobody"

// hasMember reports whether the user with an address is a member of the account. It makes
// the same calls whether or not there is such a user.
func (p *teamRoutes) hasMember(r *http.Request, account, email string) (bool, error) {
	user, err := p.of.Store.Users().ByEmail(r.Context(), email)
	if errors.Is(err, store.ErrNotFound) {
		user.ID, err = nobody, nil
	}
	if err != nil {
		return false, err
	}
	_, err = p.of.Store.Memberships().Get(r.Context(), account, user.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (p *teamRoutes) invitationMail(i store.Invitation, account store.Account, token string) Mail {
	name := account.Name
	if name == "" {
		name = account.ID
	}
	return Mail{
		To: i.Email, Subject: "Invitation to " + name,
		Text: fmt.Sprintf("You are invited to become a member of the account %q as %s.\n\n%s\n"+
			"This works once, until %s. If you have a password here already, it stays: leave it out.\n\n"+
			"If you do not know this account, do nothing: you are not a member of it.\n",
			name, i.Role, p.howToUse(token), wire.FormatTime(i.Expires)),
	}
}

func (p *teamRoutes) listInvitations(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	if err := p.mayManage(r, by); err != nil {
		return err
	}
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		return err
	}
	list, err := p.of.Store.Invitations().OfAccount(r.Context(), by.Account, after, limit+1)
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, wire.NewPage(list, limit, func(i store.Invitation) string { return i.ID }, p.showInvitation))
}

// withdraw ends an invitation that has not been accepted.
func (p *teamRoutes) withdraw(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	i, err := p.of.Store.Invitations().Get(r.Context(), by.Account, r.PathValue("id"))
	if err == nil {
		err = p.mayTouch(r, by, i.Membership("", i.Created))
	}
	if err == nil {
		err = p.of.Store.Invitations().Remove(r.Context(), by.Account, i.ID)
	}
	if err != nil {
		return err
	}
	p.record(r, "invitation.withdrawn", i.ID, i.Email)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
