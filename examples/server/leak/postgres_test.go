package leak_test

import (
	"os"
	"testing"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }

// Tests that run on Postgres as well as on SQLite.
func TestPostgres(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"SourceDown": TestSourceDown,
		"WaitLonger": TestWaitLonger,
		"OtherSeal":  TestOtherSeal,
		"Flood":      TestFlood,
		"Share":      TestShare,
	} {
		t.Run(name, test)
	}
}
