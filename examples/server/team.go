package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// team manages the members of an account. Changes go one after the other, so that
// of two owners who remove each other at once one stays. Several processes on
// one file of SQLite may let both succeed: the operator then makes an owner
// with "users create".
type team struct{ *server }

// declareTeam adds the routes of the team. Changes need a recent login, which no
// key can prove.
func (s *server) declareTeam(routes table) {
	t := &team{s}
	const recent = 10 * time.Minute
	routes.Handle("GET /v1/team", authz.Need{ID: "team.list", Permission: admin, Environment: live, Cost: -1}, http.HandlerFunc(t.list))
	routes.Handle("POST /v1/team", authz.Need{ID: "team.add", Permission: admin, Environment: live, Cost: -1, Recent: recent}, http.HandlerFunc(t.add))
	routes.Handle("PATCH /v1/team/{user}", authz.Need{ID: "team.update", Permission: admin, Environment: live, Cost: -1, Recent: recent}, http.HandlerFunc(t.update))
	routes.Handle("DELETE /v1/team/{user}", authz.Need{ID: "team.remove", Permission: admin, Environment: live, Cost: -1, Recent: recent}, http.HandlerFunc(t.remove))
}

// A teammate is a member as others see them.
type teammate struct {
	ID         string   `json:"id"`
	Email      string   `json:"email"`
	Name       string   `json:"name,omitempty"`
	Role       string   `json:"role"`
	Projects   []string `json:"projects,omitempty"` // left out: all
	Status     string   `json:"status"`             // active, invited, suspended
	CreatedAt  string   `json:"created_at"`
	Invitation string   `json:"invitation,omitempty"` // in the answer that invited them
}

func render(u store.User, m store.Membership) teammate {
	v := teammate{
		ID: u.ID, Email: u.Email, Name: u.Name, Role: m.Role, Projects: m.Scope[projects].Items(),
		Status: u.Status.String(), CreatedAt: rfc3339(m.Created),
	}
	if u.Status == authz.Active && u.Password == "" {
		v.Status = "invited"
	}
	return v
}

var (
	errRole     = invalid(http.StatusBadRequest, "unknown_role", "role must be one of "+strings.Join(roles, ", ")+".")
	errEmail    = invalid(http.StatusBadRequest, "invalid_email", "email must be one email address, such as ann@example.com, without a name.")
	errNarrow   = invalid(http.StatusBadRequest, "unknown_project", "projects must list 1 to 200 projects of the account; leave it out for all.")
	errNarrowed = invalid(http.StatusBadRequest, "invalid_projects", "An owner has all projects.")
	errMember   = invalid(http.StatusConflict, "member_exists", "This person is a member already. To invite them again, send a PATCH for the member.")
	errElse     = invalid(http.StatusConflict, "user_exists", "Another account has made a user with this address. To add them here as well, write to "+supportContact+".")
	errLast     = invalid(http.StatusConflict, "last_owner", "The account would have no owner left who can log in.")
)

func (t *team) list(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	after, limit, err := pageOf(r)
	if err != nil {
		t.fail(w, r, err)
		return
	}
	members, err := t.Memberships().OfAccount(r.Context(), p.Account, after, limit+1)
	users := map[string]store.User{}
	for _, m := range members {
		if err == nil {
			users[m.User], err = t.Users().Get(r.Context(), m.User)
		}
	}
	if err != nil {
		t.fail(w, r, err)
		return
	}
	t.respond(w, r, http.StatusOK, pageFrom(members, limit,
		func(m store.Membership) string { return m.User }, func(m store.Membership) teammate { return render(users[m.User], m) }))
}

func (t *team) add(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Email    string   `json:"email"`
		Role     string   `json:"role"`
		Name     string   `json:"name"`
		Projects []string `json:"projects"`
	}
	if err := decode(w, r, &body); err != nil {
		t.fail(w, r, err)
		return
	}
	p, _ := caller(r)
	var added teammate
	ctx, cancel := detached(r.Context(), handlerTimeout) // what begins here ends
	defer cancel()
	err := t.alone(ctx, p.Account, func(in roster) (err error) {
		added, err = t.join(ctx, in, &p, login.Email(body.Email), body.Name, body.Role, body.Projects)
		return err
	})
	t.sessions.Forget(added.ID) // once it is committed, or may be
	if err != nil {
		t.fail(w, r, err)
		return
	}
	t.record(r, "member.added", added.ID, added.Role)
	if added.Invitation, err = t.invite(ctx, r, p.Account, added.ID); err != nil {
		t.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "private, no-store")
	t.respond(w, r, http.StatusCreated, added)
}

// join makes the person with that address a member.
func (t *team) join(ctx context.Context, in roster, by *authn.Principal, email, name, role string, ids []string) (teammate, error) {
	if email == "" {
		return teammate{}, errEmail
	}
	if !legible(name, 0, 200) {
		return teammate{}, invalid(http.StatusBadRequest, "invalid_name", "name must be one line of at most 200 printable characters.")
	}
	now := t.now()
	m := store.Membership{Account: by.Account, Role: role, Created: now.UTC()}
	if ids != nil {
		m.Scope = map[string]authz.Set{projects: authz.Of(ids...)}
	}
	if err := errors.Join(t.makesSense(m), t.may(ctx, by, m)); err != nil {
		return teammate{}, err
	}
	if err := t.have(ctx, m); err != nil {
		return teammate{}, err
	}
	user, voucher, err := t.person(ctx, by.Account, email, name)
	if err != nil {
		return teammate{}, err
	}
	m.User = user.ID
	if err := in.add(ctx, m); err != nil {
		return teammate{}, err
	}
	added := render(user, m)
	if voucher != by.Account {
		added.Name = "" // others have chosen it
	}
	return added, nil
}

// invite returns an invitation for a member whom the account vouches for and who
// has no password yet, "" for others. It ends earlier invitations. Call it once
// the membership has been committed.
func (t *team) invite(ctx context.Context, r *http.Request, account, id string) (string, error) {
	user, err := t.Users().Get(ctx, id)
	if err != nil || user.Password != "" || user.Status != authz.Active {
		return "", err
	}
	if voucher, err := t.people.voucher(ctx, id); err != nil || voucher != account {
		return "", err
	}
	invitation, err := t.logins.Invite(ctx, id, t.now())
	if err != nil {
		return "", err
	}
	// If the operator has begun to vouch meanwhile, it is not theirs to have. One
	// that the operator begins to vouch for after this ends with it: see adopt.
	if voucher, err := t.people.voucher(ctx, id); err != nil || voucher != account {
		return "", err
	}
	t.record(r, "user.invited", id, "")
	return invitation, nil
}

// person finds or makes the user with that address, and returns them and the
// account that vouches for the address. It returns errMember if the user is a
// member already, and errElse if another account vouches for the address.
func (t *team) person(ctx context.Context, account, email, name string) (user store.User, voucher string, err error) {
	user, err = t.Users().ByEmail(ctx, email)
	if errors.Is(err, store.ErrNotFound) {
		user, err = t.newUser(ctx, email, name, "", account)
		return user, account, err
	}
	if err != nil {
		return user, "", err
	}
	if _, err = t.Memberships().Get(ctx, account, user.ID); err == nil {
		return user, "", errMember
	} else if !errors.Is(err, store.ErrNotFound) {
		return user, "", err
	}
	if voucher, err = t.people.voucher(ctx, user.ID); err == nil && voucher != "" && voucher != account {
		err = errElse
	}
	return user, voucher, err
}

func (t *team) update(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Role     *string             `json:"role"`
		Projects clearable[[]string] `json:"projects"` // null: all
	}
	if err := decode(w, r, &body); err != nil {
		t.fail(w, r, err)
		return
	}
	p, _ := caller(r)
	set := func(m *store.Membership) {
		if body.Role != nil {
			m.Role = *body.Role
		}
		switch {
		case !body.Projects.given:
		case body.Projects.value == nil:
			m.Scope = nil
		default:
			m.Scope = map[string]authz.Set{projects: authz.Of(*body.Projects.value...)}
		}
	}
	var m store.Membership
	ctx, cancel := detached(r.Context(), handlerTimeout) // what begins here ends
	defer cancel()
	err := t.alone(ctx, p.Account, func(in roster) (err error) {
		m, err = t.change(ctx, in, &p, r.PathValue("user"), set)
		return err
	})
	t.sessions.Forget(m.User)
	var user store.User
	invitation := "" // the one before was not made for this membership
	if err == nil {
		invitation, err = t.invite(ctx, r, p.Account, m.User)
	}
	if err == nil {
		user, err = t.Users().Get(ctx, m.User)
	}
	if err != nil {
		t.fail(w, r, err)
		return
	}
	note := m.Role
	if ids := m.Scope[projects].Items(); ids != nil {
		note += ", projects " + strings.Join(ids, " ")
	}
	t.record(r, "member.changed", m.User, note)
	changed := render(user, m)
	if changed.Invitation = invitation; invitation != "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	t.respond(w, r, http.StatusOK, changed)
}

// change gives a member another role or other projects.
func (t *team) change(ctx context.Context, in roster, by *authn.Principal, user string, set func(*store.Membership)) (store.Membership, error) {
	old, err := t.Memberships().Get(ctx, by.Account, user)
	if err != nil {
		return old, err
	}
	m := old
	set(&m)
	if err := errors.Join(t.makesSense(m), t.may(ctx, by, old, m)); err != nil {
		return m, err
	}
	if err := t.have(ctx, m); err != nil {
		return m, err
	}
	if m.Role != roleOwner {
		if err := t.spare(ctx, old); err != nil {
			return m, err
		}
	}
	return m, in.change(ctx, m)
}

// remove ends a membership and revokes the member's own keys. Keys of the
// account live on.
func (t *team) remove(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	user := r.PathValue("user")
	ctx, cancel := detached(r.Context(), handlerTimeout) // what begins here ends
	defer cancel()
	err := t.alone(ctx, p.Account, func(in roster) error { return t.leave(ctx, in, &p, user) })
	t.sessions.Forget(user)
	var ended []string
	if err == nil || errors.Is(err, store.ErrNotFound) { // not found: the first time may have died half-way
		var bad error
		ended, bad = t.endKeys(ctx, p.Account, user)
		if bad = errors.Join(bad, t.uninvite(ctx, p.Account, user)); bad != nil {
			err = bad
		}
	}
	for _, id := range ended {
		t.record(r, "key.revoked", id, memberRemoved)
	}
	if err != nil {
		t.fail(w, r, err)
		return
	}
	t.record(r, "member.removed", user, "")
	w.WriteHeader(http.StatusNoContent)
}

const memberRemoved = "member removed"

func (t *team) leave(ctx context.Context, in roster, by *authn.Principal, user string) error {
	m, err := t.Memberships().Get(ctx, by.Account, user)
	if err != nil {
		return err
	}
	if err := t.may(ctx, by, m); err != nil {
		return err
	}
	if err := t.spare(ctx, m); err != nil {
		return err
	}
	return in.remove(ctx, m)
}

// uninvite ends the invitations of a user whom the account vouches for and who has
// no password, also one that is being accepted. Else somebody whose membership has
// ended could choose a password, and be active when they are added again.
func (t *team) uninvite(ctx context.Context, account, id string) error {
	voucher, err := t.people.voucher(ctx, id)
	if err != nil || voucher != account {
		return err
	}
	user, err := t.Users().Get(ctx, id)
	if err != nil || user.Password != "" {
		return err
	}
	_, err = t.Users().EndSessions(ctx, id)
	return err
}

// endKeys revokes the keys of a former member, and returns their ids. They open
// nothing without the membership, but would again once their owner is back. None
// can be added meanwhile: stores refuse keys of non-members.
func (s *server) endKeys(ctx context.Context, account, user string) (ended []string, err error) {
	operator := authn.Operator(account) // the caller may have removed their own membership
	now := s.now()
	for after := ""; ; {
		keys, err := s.keys.List(ctx, operator, after, 200)
		if err != nil || len(keys) == 0 {
			return ended, err
		}
		for _, key := range keys {
			if after = key.ID; key.Owner != user || key.Ended(now) {
				continue
			}
			if err := s.keys.Revoke(ctx, operator, key.ID, memberRemoved, now); err != nil {
				return ended, err
			}
			ended = append(ended, key.ID)
		}
	}
}

// makesSense returns an error for an unknown role, for an owner who is limited to
// projects, and for a list of projects that is empty or too long.
func (t *team) makesSense(m store.Membership) error {
	ids, narrowed := m.Scope[projects]
	switch {
	case !slices.Contains(roles, m.Role):
		return errRole
	case m.Role == roleOwner && narrowed:
		return errNarrowed
	case narrowed && (len(ids.Items()) == 0 || len(ids.Items()) > 200):
		return errNarrow
	}
	return nil
}

// may returns an error if the caller could gain rights by the change. A caller
// may not make, change or remove a member who may do more than they may, and
// only an owner may do so to an owner. may reads the caller's rights anew.
func (t *team) may(ctx context.Context, by *authn.Principal, members ...store.Membership) error {
	own, err := t.Memberships().Get(ctx, by.Account, by.User)
	if errors.Is(err, store.ErrNotFound) {
		return authn.ErrForbidden
	}
	if err != nil {
		return err
	}
	rights := t.gate.Model().Rights(authz.Active, t.role(own))
	for _, m := range members {
		if m.Role == roleOwner && own.Role != roleOwner {
			return &authz.DeniedError{Decision: authz.Decision{
				Code: "scope_exceeds_caller", Layer: "owner", Dimension: "role", Wanted: m.Role, Held: own.Role,
			}}
		}
		for _, g := range t.role(m) {
			if d := rights.Delegate(g); !d.Allowed {
				return &authz.DeniedError{Decision: d}
			}
		}
	}
	return nil
}

// have returns errNarrow for projects that are not the account's, in either
// environment. Call it after may, so that callers learn of no project that they
// may not see.
func (t *team) have(ctx context.Context, m store.Membership) error {
	for _, id := range m.Scope[projects].Items() {
		_, err := t.documents.get(ctx, tenant{m.Account, live}, projects, "", id)
		if errors.Is(err, errNoDocument) {
			_, err = t.documents.get(ctx, tenant{m.Account, test}, projects, "", id)
		}
		if errors.Is(err, errNoDocument) {
			return errNarrow
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spare returns errLast if m is the last owner who can log in.
func (t *team) spare(ctx context.Context, m store.Membership) error {
	if m.Role != roleOwner {
		return nil
	}
	for after := ""; ; {
		members, err := t.Memberships().OfAccount(ctx, m.Account, after, 100)
		if err != nil {
			return err
		}
		for _, other := range members {
			if after = other.User; other.Role != roleOwner || other.User == m.User {
				continue
			}
			user, err := t.Users().Get(ctx, other.User)
			if err != nil {
				return err
			}
			if user.Status == authz.Active && user.Password != "" {
				return nil
			}
		}
		if len(members) == 0 {
			return errLast
		}
	}
}
