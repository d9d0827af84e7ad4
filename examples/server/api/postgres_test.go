package api

import (
	"strings"
	"sync"
	"testing"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
)

// postgres returns the URL of an empty database of the test's own.
func postgres(t testing.TB, settings ...string) string {
	t.Helper()
	return databasetest.Postgres(t, settings...)
}

// Tests that run on Postgres as well as on SQLite or in memory. Those in process
// send it arguments as behind PgBouncer. What they cover there, over HTTP: case
// A8, case A10, case A15, case K9, case K21, case K22, case S12, case S13, case
// S14, case T5, case T8.
func TestPostgres(t *testing.T) {
	for _, tt := range []struct {
		name string
		test func(*testing.T)
	}{ // of processes, which are to be quick
		{"Story", TestStory},
		{"Restart", TestRestart},
		{"Kill", TestKill},
		{"CommandLineReachesTheServer", TestCommandLineReachesTheServer},
		{"Projects", TestProjects},
		{"Login", TestLogin},
		{"Hooks", TestHooks},
		{"Leak", TestLeak},
	} {
		t.Run(tt.name, tt.test)
	}
	for _, tt := range []struct {
		name string
		test func(*testing.T)
	}{ // on a clock of their own
		{"ChangePassword", TestChangePassword},
		{"Sessions", TestSessions},
		{"Suspended", TestSuspended},
		{"Logout", TestLogout},
		{"LeakOutage", TestLeakOutage},
		{"LeakAgain", TestLeakAgain},
		{"Suspend", TestSuspend},
		{"MissingOrForeign", TestMissingOrForeign},
		{"AuditLog", TestAuditLog},
		{"AskForAccess", TestAskForAccess},
		{"AskingIsBounded", TestAskingIsBounded},
		{"Approve", TestApprove},
		{"Reject", TestReject},
		{"ApproveOnce", TestApproveOnce},
		{"ApproveAfterCrash", TestApproveAfterCrash},
		{"RejectAfterFailure", TestRejectAfterFailure},
		{"PagesOfWhatIsVisible", TestPagesOfWhatIsVisible},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(t)
		})
	}
}

// folders has the URL of the database of the servers in a folder.
var folders sync.Map

// kept is where the fixtures in process keep everything.
func kept(t testing.TB) string {
	t.Helper()
	if databasetest.OnPostgres(t) {
		return databasetest.Name(t)
	}
	return "memory"
}

// postgresOf returns the URL for the servers of a folder, "" for the file in it.
func postgresOf(t testing.TB, dir string) string {
	t.Helper()
	if !databasetest.OnPostgres(t) {
		return ""
	}
	if url, ok := folders.Load(dir); ok {
		return url.(string)
	}
	url := postgres(t)
	folders.Store(dir, url)
	return url
}

// What no id can be is missing, and no outage, on either database: Postgres
// knows no U+0000 and checks the encoding.
func TestIDsThatCannotBe(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		c := clockedOn(t, name, "enterprise", "1000000-M")
		owner, operator := c.owner(), c.operator()
		for _, id := range []string{"%00", "x%00", "%ff", "%c0%80"} {
			for _, tt := range []struct {
				token, method, path, body string
			}{
				{c.key, "GET", "/v1/projects/" + id, ""},
				{c.key, "PATCH", "/v1/projects/" + id, `{"name":"x"}`},
				{c.key, "DELETE", "/v1/projects/" + id, ""},
				{c.key, "GET", "/v1/artifacts/report/" + id, ""},
				{c.key, "POST", "/v1/artifacts/" + id, `{"name":"x"}`},
				{c.key, "POST", "/v1/projects/" + id + "/data", `{"name":"x"}`},
				{owner, "DELETE", "/v1/webhooks/" + id, ""},
				{owner, "DELETE", "/v1/team/" + id, ""},
				{operator, "POST", "/v1/operator/access-requests/" + id + "/approve", `{}`},
				{operator, "POST", "/v1/operator/access-requests/" + id + "/reject", `{"reason":"x"}`},
			} {
				if a := c.call(tt.method, tt.path, tt.token, tt.body); a.status != 404 {
					t.Errorf("%s %s: %d %s", tt.method, tt.path, a.status, a.body)
				}
			}
			for _, tt := range []struct{ path, token string }{
				{"/v1/artifacts", c.key}, {"/v1/api-keys", owner}, {"/v1/team", owner}, {"/v1/audit-log", owner}, {"/v1/auth/sessions", owner},
				{"/v1/operator/accounts", operator}, {"/v1/operator/access-requests", operator},
			} {
				if a := c.call("GET", tt.path+"?after="+id, tt.token, ""); a.status != 400 || !strings.Contains(a.body, "after: expected text") {
					t.Errorf("%s after %s: %d %s", tt.path, id, a.status, a.body)
				}
			}
		}
	})
}
