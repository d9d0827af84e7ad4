package tollgate_test

import (
	"fmt"

	"medtwin.ai/tollgate"
)

// This configuration is wrong in many ways, and New says all of them at once.
func ExampleNew_wrong() {
	_, err := tollgate.New(tollgate.Config{
		Prefix:           "acme_",
		Permissions:      []string{"read", "write"},
		ReadOnly:         []string{"raed"},
		ManageKeys:       "amdin",
		Plans:            map[string]string{"standard": "60 per minute"},
		EnvironmentPlans: map[string]string{"tset": "standard"},
	})
	fmt.Println(err)
	// Output:
	// tollgate: Config.Store is required: memory.New, sqlitestore.Open or pgstore.Open
	// tollgate: Config.Secrets is required: keyfmt.OpenKeyring("acme.secrets")
	// tollgate: Config.Prefix is "acme_": want it without the underscore at its end, which is added
	// tollgate: Config.Permissions, ReadOnly and Resources (kinds): authz: model: read-only permission "raed" is not among Permissions: did you mean "read"?
	// tollgate: Config.ManageKeys: there is no permission "amdin": want one of ["read" "write"]
	// tollgate: Config.Plans["standard"]: ratelimit: plan "standard": limit "60 per minute" is not of the form 60-M
	// tollgate: Config.EnvironmentPlans: there is no environment "tset": did you mean "test"?
}
