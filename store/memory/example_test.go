package memory_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A store for tests. What is missing is ErrNotFound, in every backend.
func ExampleNew() {
	db, err := memory.New(memory.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := db.Accounts().Create(ctx, store.Account{ID: "acme"}); err != nil {
		log.Fatal(err)
	}
	a, err := db.Accounts().Get(ctx, "acme")
	fmt.Println(a.Status, err)
	_, err = db.Accounts().Get(ctx, "emca")
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output:
	// active <nil>
	// true
}
