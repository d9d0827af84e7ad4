package sqlitestore

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// victim names the database of the process that TestKill starts to kill it.
const victim = "TOLLGATE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		fmt.Println(toil(context.Background(), path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}
