package portal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/suggest"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// teamRoutes manage the members of an account. Changes need a recent login, which no key
// can prove.
type teamRoutes struct{ *portal }

func (p *portal) declareTeam() { (&teamRoutes{p}).declare() }

func (p *teamRoutes) declare() {
	change := func(id string) authz.Need {
		need := p.needOfAccount(id, false)
		need.Person, need.Recent = true, 10*time.Minute
		return need
	}
	p.handle("GET /team", p.needOfAccount("team.list", false), p.listTeam, "limit", "after")
	p.handle("POST /team", change("team.invite"), p.invite)
	p.handle("GET /team/invitations", p.needOfAccount("team.invitations", false), p.listInvitations, "limit", "after")
	p.handle("DELETE /team/invitations/{id}", change("team.withdraw"), p.withdraw)
	p.handle("PATCH /team/{user}", change("team.update"), p.changeMember)
	p.handle("DELETE /team/{user}", change("team.remove"), p.removeMember)
}

// A shownMember is a member as others see them.
type shownMember struct {
	ID        string     `json:"id"`
	Email     string     `json:"email,omitempty"`
	Name      string     `json:"name,omitempty"`
	Role      string     `json:"role"`
	Scope     shownScope `json:"scope,omitempty"` // what they are limited to
	Status    string     `json:"status"`
	CreatedAt string     `json:"created_at"`
}

func showMember(u store.User, m store.Membership) shownMember {
	return shownMember{m.User, u.Email, u.Name, m.Role, scopeOf(m.Scope), u.Status.String(), wire.FormatTime(m.Created)}
}

// scopeOf is a scope without what it does not limit.
func scopeOf(scope map[string]authz.Set) shownScope {
	v := shownScope{}
	for kind, ids := range scope {
		if !ids.IsAll() {
			v[kind] = ids
		}
	}
	return v
}

func (p *teamRoutes) listTeam(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	if err := p.mayManage(r, by); err != nil {
		return err
	}
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		return err
	}
	members, err := p.of.Store.Memberships().OfAccount(r.Context(), by.Account, after, limit+1)
	if err != nil {
		return err
	}
	users := map[string]store.User{}
	for _, m := range members {
		if users[m.User], err = p.of.Store.Users().Get(r.Context(), m.User); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return wire.JSON(w, http.StatusOK, wire.NewPage(members, limit,
		func(m store.Membership) string { return m.User }, func(m store.Membership) shownMember { return showMember(users[m.User], m) }))
}

// changeMember gives a member another role or other limits.
func (p *teamRoutes) changeMember(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	var body struct {
		Role  *string                            `json:"role"`
		Scope wire.Nullable[map[string][]string] `json:"scope"` // null: no limit
	}
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	var scope map[string]authz.Set
	if body.Scope.Value != nil {
		var err error
		if scope, err = p.readScope(*body.Scope.Value, p.of.Resources); err != nil {
			return err
		}
	}
	was, err := p.of.Store.Memberships().Get(r.Context(), by.Account, r.PathValue("user"))
	if err != nil {
		return err
	}
	next := was
	if body.Role != nil {
		next.Role = *body.Role
	}
	if body.Scope.Given {
		next.Scope = scope
	}
	if err := p.mayTouch(r, by, was); err != nil {
		return err
	}
	if err := p.mayMake(r, by, next); err != nil {
		return err
	}
	if err := p.swap(r, was, &next); err != nil {
		return err
	}
	note := next.Role
	for _, kind := range p.of.Resources {
		if ids, limited := next.Scope[kind]; limited && !ids.IsAll() {
			note += ", " + kind + " " + strings.Join(ids.Items(), " ")
		}
	}
	p.record(r, "member.changed", was.User, note)
	user, err := p.of.Store.Users().Get(r.Context(), was.User)
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, showMember(user, next))
}

// removeMember ends a membership and revokes the member's own keys. Keys of the account
// live on. Done again it repairs what a crash left.
func (p *teamRoutes) removeMember(w http.ResponseWriter, r *http.Request) error {
	by, user := caller(r), r.PathValue("user")
	was, err := p.of.Store.Memberships().Get(r.Context(), by.Account, user)
	missing := errors.Is(err, store.ErrNotFound)
	if err == nil {
		err = p.mayTouch(r, by, was)
	}
	if err == nil {
		err = p.swap(r, was, nil)
	}
	if err != nil && !missing {
		return err
	}
	if bad := p.endKeys(r, by.Account, user); bad != nil {
		return bad
	}
	if missing {
		return err
	}
	p.record(r, "member.removed", user, "")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// swap changes or ends a membership. One owner stays. The invitations that the member has
// made end: they may offer more than the member may do now.
func (p *teamRoutes) swap(r *http.Request, was store.Membership, next *store.Membership) error {
	ctx, cancel := detached(r.Context())
	defer cancel()
	err := p.of.Store.Memberships().Swap(ctx, was, next, p.ownerRole())
	p.gate.Sessions().Forget(was.User)
	if err != nil {
		return err
	}
	return p.withdrawBy(ctx, r, was)
}

// withdrawBy ends the invitations that a member has made.
func (p *teamRoutes) withdrawBy(ctx context.Context, r *http.Request, m store.Membership) error {
	for after := ""; ; {
		list, err := p.of.Store.Invitations().OfAccount(ctx, m.Account, after, 200)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, i := range list {
			if after = i.ID; i.By != m.User {
				continue
			}
			if err := p.of.Store.Invitations().Remove(ctx, m.Account, i.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			p.record(r, "invitation.withdrawn", i.ID, "the member who invited has changed")
		}
	}
}

const memberRemoved = "member removed"

// endKeys revokes the keys of a former member. They open nothing without the membership,
// but would again once their owner is back. None can be added meanwhile: stores refuse keys
// of people who are not members.
func (p *teamRoutes) endKeys(r *http.Request, account, user string) error {
	ctx, cancel := detached(r.Context())
	defer cancel()
	operator := authn.Operator(account) // the caller may have removed their own membership
	now := p.of.Now()
	for after := ""; ; {
		keys, err := p.gate.Keys().List(ctx, operator, after, 200)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			if after = key.ID; key.Owner != user || key.Ended(now) {
				continue
			}
			if err := p.gate.Keys().Revoke(ctx, operator, key.ID, memberRemoved, now); err != nil {
				return err
			}
			p.record(r, "key.revoked", key.ID, memberRemoved)
		}
	}
}

// ownerRole is the role of which one member stays, "" if there are no roles.
func (p *teamRoutes) ownerRole() string {
	if len(p.of.RoleNames) == 0 {
		return ""
	}
	return p.of.RoleNames[0]
}

// mayMake returns an error if a membership that is to be makes no sense, if mayTouch
// refuses it, or if it is limited to what does not exist. That comes last, so that callers
// learn of nothing that they may not see.
func (p *teamRoutes) mayMake(r *http.Request, by *authn.Principal, next store.Membership) error {
	switch {
	case !slices.Contains(p.of.RoleNames, next.Role):
		return wire.Invalid("unknown_role", "role must be "+suggest.List(p.of.RoleNames)+".")
	case next.Role == p.ownerRole() && len(next.Scope) > 0:
		return wire.Invalid("invalid_scope", "An owner is not limited: leave scope out.")
	}
	if err := p.mayTouch(r, by, next); err != nil {
		return err
	}
	return p.haveSomewhere(r.Context(), next)
}

// mayTouch returns an error if the caller could gain rights by making, changing or ending
// a membership. It reads the caller's rights anew. Only owners touch owners, and nobody a
// member who may do more than they may.
func (p *teamRoutes) mayTouch(r *http.Request, by *authn.Principal, m store.Membership) error {
	if err := p.mayManage(r, by); err != nil {
		return err
	}
	own, err := p.of.Store.Memberships().Get(r.Context(), by.Account, by.User)
	if errors.Is(err, store.ErrNotFound) {
		return &problem.Problem{Status: http.StatusForbidden, Code: "not_a_member", Detail: "The caller is no member of the account any more."}
	}
	if err != nil {
		return err
	}
	rights := p.gate.Model().Rights(authz.Active, p.of.Roles(own))
	if m.Role == p.ownerRole() && own.Role != m.Role {
		return &authz.DeniedError{Decision: authz.Decision{
			Code: "scope_exceeds_caller", Layer: "owner", Dimension: "role", Wanted: m.Role, Held: own.Role,
		}}
	}
	for _, g := range p.of.Roles(m) {
		if d := rights.Delegate(g); !d.Allowed {
			return &authz.DeniedError{Decision: d}
		}
	}
	return nil
}

// haveSomewhere returns an error unless the account has everything that a member is limited
// to, in any environment.
func (p *teamRoutes) haveSomewhere(ctx context.Context, m store.Membership) error {
	if p.Exists == nil {
		return nil
	}
	for kind, ids := range m.Scope {
		for _, id := range ids.Items() {
			found := false
			for _, env := range p.of.Environments {
				have, err := p.Exists(ctx, m.Account, env, kind, []string{id})
				if err != nil {
					return err
				}
				found = found || have
			}
			if !found {
				return wire.Invalid("unknown_resource", "scope."+kind+": the account does not have all of these; correct the ids.")
			}
		}
	}
	return nil
}
