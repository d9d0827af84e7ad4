package password_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"medtwin.ai/tollgate/authn/password"
)

// A password is judged before it is hashed, and verified against the hash.
func ExampleHasher() {
	ctx := context.Background()
	hasher, err := password.New(password.Config{Words: []string{"acme"}})
	if err != nil {
		log.Fatal(err)
	}
	var weak *password.PolicyError
	if err := hasher.Check(ctx, "acme2026acme2026"); errors.As(err, &weak) {
		fmt.Println(weak.Code)
	}
	hash, err := hasher.Hash(ctx, "glacier mango tutor velvet")
	if err != nil {
		log.Fatal(err)
	}
	ok, rehash, err := hasher.Verify(ctx, hash, "glacier mango tutor velvet")
	fmt.Println(ok, rehash, err)
	// Output:
	// guessable
	// true false <nil>
}
