package webhook_test

import "testing"

// Tests that run on Postgres as well as on SQLite.
func TestPostgres(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"AccountsAreApart": TestAccountsAreApart,
		"Quota":            TestQuota,
		"Backlog":          TestBacklog,
		"Kill":             TestKill,
		"Deliver":          TestDeliver,
		"Retry":            TestRetry,
		"Gone":             TestGone,
		"Stop":             TestStop,
		"Sweep":            TestSweep,
		"Outage":           TestOutage,
	} {
		t.Run(name, test)
	}
}
