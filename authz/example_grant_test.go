package authz_test

import (
	"encoding/json"
	"fmt"

	"medtwin.ai/tollgate/authz"
)

// A key that reads two projects in the live environment, and why it may not
// write.
func ExampleRights_Decide() {
	model, err := authz.NewModel(authz.ModelConfig{
		Permissions: []string{"read", "write"},
		ReadOnly:    []string{"read"},
		Kinds:       []string{"projects"},
	})
	if err != nil {
		panic(err)
	}
	var key authz.Grant
	err = json.Unmarshal([]byte(`{
		"v": 1,
		"permissions": ["read"],
		"scope": {"projects": ["proj_abc123", "proj_def456"]},
		"endpoints": "*",
		"environments": ["live"]
	}`), &key)
	if err != nil {
		panic(err)
	}
	owner := model.Everything()
	rights := model.Rights(authz.Active, []authz.Grant{key}, []authz.Grant{owner})

	q := authz.Request{Permission: "read", Endpoint: "projects.get", Environment: "live"}
	q.Resources[0] = authz.Resource{Kind: "projects", ID: "proj_abc123"}
	fmt.Println(rights.Decide(q).Allowed)

	q.Permission = "write"
	d := rights.Decide(q)
	fmt.Printf("%s: %s %s: wanted %s, held %s\n", d.Code, d.Layer, d.Dimension, d.Wanted, d.Held)
	// Output:
	// true
	// missing_permission: credential permissions: wanted write, held read
}

// Handing out rights: what is given must be within what one has.
func ExampleGrant_Within() {
	mine := authz.Grant{
		Version:      authz.Version,
		Permissions:  authz.Of("read", "write"),
		Endpoints:    authz.Of("artifacts.*"),
		Environments: authz.All(),
	}
	child := mine
	child.Permissions, child.Endpoints = authz.Of("read"), authz.Of("artifacts.get")
	fmt.Println(child.Within(mine), mine.Within(child))
	// Output: true false
}
