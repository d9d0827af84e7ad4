package api

import (
	"maps"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// The vocabulary of the two seed documents, but for operate.
const (
	live = "live"
	test = "test"

	read    = "read"
	write   = "write"
	remove  = "delete"
	admin   = "admin"
	operate = "operate" // runs the service; no role of a customer holds it

	projects      = "projects"
	artifactTypes = "artifact_types"
)

// The roles of members.
const (
	roleOwner    = "owner" // as admin, and the only one to make and unmake owners
	roleAdmin    = "admin"
	roleEditor   = "editor"
	roleViewer   = "viewer"
	roleOperator = "operator" // in the account of the operators alone
)

// roles are those of customers.
var roles = []string{roleOwner, roleAdmin, roleEditor, roleViewer}

// operators is the account of the operators of the service.
const operators = "acct_operators"

var plans = map[string]string{
	"free":       "10-M, 100-D",
	"standard":   "60-M, 10000-D",
	"enterprise": "600-M, 1000000-D", // until an account is given limits of its own
}

// everything is what a key can hold at most.
func (s *server) everything() authz.Grant {
	g := s.gate.Model().Everything()
	g.Permissions = authz.Of(read, write, remove, admin)
	return g
}

// role says what a member may do at present.
func (s *server) role(m store.Membership) []authz.Grant {
	g := s.everything()
	switch {
	case m.Account == operators && m.Role == roleOperator:
		g.Permissions = authz.Of(operate)
	case m.Account == operators:
		return nil
	case m.Role == roleOwner, m.Role == roleAdmin:
		g.Permissions = authz.Of(read, write, remove, admin)
	case m.Role == roleEditor:
		g.Permissions = authz.Of(read, write, remove)
	case m.Role == roleViewer:
		g.Permissions = authz.Of(read)
	default:
		return nil
	}
	maps.Copy(g.Scope, m.Scope)
	return []authz.Grant{g}
}
