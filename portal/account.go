package portal

import (
	"net/http"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// accountRoutes are the handlers of what shows a caller who they are, and of what belongs
// to the account as a whole.
type accountRoutes struct{ *portal }

// declareAccount declares what shows a caller who they are, and what belongs to the
// account as a whole.
func (p *portal) declareAccount() {
	a := &accountRoutes{p}
	p.handle("GET /whoami", authz.Need{ID: "whoami", Anyone: true, Suspended: true}, a.whoami)
	p.handle("GET /billing", p.needOfAccount("billing.get", true), a.billing)
	if !p.WithoutAudit {
		p.handle("GET /audit-log", p.needOfAccount("audit.list", false), a.auditLog, "limit", "after")
	}
}

// needOfAccount returns the need of a route that shows what belongs to the account as a
// whole. It takes Config.ManageKeys of the gate in the first environment, so that a key
// for another environment, a test key for example, sees nothing of it. An application
// without that permission lets people alone call the route, and mayManage tells who.
func (p *portal) needOfAccount(id string, suspended bool) authz.Need {
	if p.of.ManageKeys == "" {
		return authz.Need{ID: id, Person: true, Suspended: suspended}
	}
	return authz.Need{ID: id, Permission: p.of.ManageKeys, Environment: p.of.Environments[0], Suspended: suspended}
}

// mayManage refuses a caller who may not see what belongs to the account as a whole. The
// route asks for Config.ManageKeys of the gate already, if there is that permission; if
// not, only owners may: the holders of the first of its RoleNames.
func (p *portal) mayManage(r *http.Request, by *authn.Principal) error {
	if p.of.ManageKeys != "" {
		return nil
	}
	member, err := p.of.Store.Memberships().Get(r.Context(), by.Account, by.User)
	if err != nil {
		return err
	}
	if len(p.of.RoleNames) == 0 || member.Role != p.of.RoleNames[0] {
		return errNoOwner
	}
	return nil
}

var errNoOwner = &problem.Problem{Status: http.StatusForbidden, Code: "owner_only", Detail: "Only an owner of the account may do this: ask one."}
