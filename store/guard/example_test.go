package guard_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/guard"
	"medtwin.ai/tollgate/store/memory"
)

// Text that no record can hold is the caller's mistake, and never reaches a database.
func ExampleAccounts() {
	db, err := memory.New(memory.Config{})
	if err != nil {
		log.Fatal(err)
	}
	accounts := guard.Accounts(db.Accounts()) // a backend of your own wraps its parts like this
	err = accounts.Create(context.Background(), store.Account{ID: "ac\x00me"})
	fmt.Println(errors.Is(err, store.ErrInvalid))
	// Output: true
}
