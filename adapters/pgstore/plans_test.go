package pgstore

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A plan is a node of what EXPLAIN (FORMAT JSON) says.
type plan struct {
	Type    string `json:"Node Type"`
	Table   string `json:"Relation Name"`
	Index   string `json:"Index Name"`
	Hit     int    `json:"Shared Hit Blocks"` // those below it included
	Read    int    `json:"Shared Read Blocks"`
	Removed int    `json:"Rows Removed by Filter"`
	Plans   []plan `json:"Plans"`
}

// nodes returns p and all below it.
func (p plan) nodes() []plan {
	list := []plan{p}
	for _, below := range p.Plans {
		list = append(list, below.nodes()...)
	}
	return list
}

// planned holds the statements of requests and pages, with their arguments as SQL.
var planned = []struct {
	name, statement, args string
	writes                int // how many rows, at most
}{
	{"findKey", findKey, `sha256('key_0000113'), 'p1'`, 0}, // of a person
	{"findKey of the account's own", findKey, `sha256('key_0000110'), 'p1'`, 0},
	{"findKey of nobody", findKey, `sha256('key_none'), 'p1'`, 0},
	{"findSession", findSession, `sha256('ses_0000110'), 'p1'`, 0},
	{"getUser", getUser, `'user_0000001'`, 0},
	{"touchKeys", touchKeys, `ARRAY['key_0000110', 'key_0000001', 'key_none'], ARRAY[now(), now(), now()]`, 2},
	{"touchSessions", touchSessions, `ARRAY['ses_0000110', 'ses_0000001', 'ses_none'], ARRAY[now(), now(), now()]`, 2},
	{"holdPair", holdPair, `'key_0000110'`, 1},
	{"endGrace", endGrace, `'key_0000110'`, 1},
	{"limitKey", limitKey, `'acct_0', 'key_0000110', now()`, 1},
	{"rehashKey", rehashKey, `'key_0000110', sha256('key_0000110'), 'p1', sha256('next'), 'p2'`, 1},
	{"hasKey", hasKey, `'key_0000110'`, 0},

	{"holdAccount", holdAccount, `'acct_0'`, 1},
	{"keepAccount", keepAccount, `'acct_0'`, 1},
	{"countHeld", countHeld, `'acct_0', 'key_x', now(), 20`, 0},
	{"getKey", getKey, `'acct_0', 'key_0000110'`, 0},
	{"holdKey", holdKey, `'acct_0', 'key_0000110'`, 1},
	{"keyByCall", keyByCall, `'acct_0', 'call 110'`, 0},
	{"listKeys", listKeys, `'acct_0', 20`, 0},
	{"listAfter", listAfter, `'acct_0', 20, 'key_0000500'`, 0},
	{"expiring", expiring, `'acct_0', now(), now() + interval '1 year', 20`, 0},
	{"updateKey", updateKey, `'acct_0', 'key_0000110', 'other', NULL, NULL, NULL, NULL`, 1},
	{"successor", successor, `'acct_0', 'key_0000110'`, 0},
	{"revokeKey", revokeKey, `'acct_0', 'key_0000110', now(), 'leaked'`, 1},
	{"revokeKeys", revokeKeys, `'acct_3', '', NULL, '', now(), 'gone', ''`, 5},
	{"pruneKeys", pruneKeys, `now() + interval '9 minutes', 2`, 2},

	{"getAccount", getAccount, `'acct_0'`, 0},
	{"listAccounts", listAccounts, `'acct_1', 5`, 0},
	{"setStatus", setStatus, `'acct_0', 'suspended'`, 1},
	{"setPlan", setPlan, `'acct_0', 'free', ''`, 1},
	{"userByEmail", userByEmail, `'1@example.org'`, 0},
	{"hasUser", hasUser, `'user_0000001'`, 0},
	{"setPassword", setPassword, `'user_0000001', '', 'x', 0`, 1},
	{"rehashUser", rehashUser, `'user_0000001', '', 'x'`, 1},
	{"setUser", setUser, `'user_0000001', 'suspended', 1`, 1},
	{"endSessions", endSessions, `'user_0000001'`, 1},
	{"getMember", getMember, `'user_0000001', 'acct_0'`, 0},
	{"membersUser", membersUser, `'user_0000001'`, 0},
	{"members", members, `'acct_0', 'user_0000001', 20`, 0},
	{"removeMember", removeMember, `'user_0000001', 'acct_0'`, 1},
	{"holdMember", holdMember, `'user_0000001', 'acct_0'`, 1},
	{"swapMember", swapMember, `'user_0000001', 'acct_0', 'viewer', '{}'`, 1},
	{"othersOfRole", othersOfRole, `'acct_0', 'editor', 'user_0000001'`, 0},
	{"getInvitation", getInvitation, `'acct_0', 'inv_0000002'`, 0},
	{"listInvitations", listInvitations, `'acct_0', 'inv_0000100', 20`, 0},
	{"removeInvitation", removeInvitation, `'acct_0', 'inv_0000002'`, 1},
	{"takeInvitation", takeInvitation, `'acct_0', 'inv_0000002', now()`, 1},
	{"pruneInvitations", pruneInvitations, `now() + interval '9 minutes', 2`, 2},
	{"getSession", getSession, `'user_0000001', 'ses_0000010'`, 0},
	{"listSessions", listSessions, `'user_0000001'`, 0},
	{"revokeSession", revokeSession, `'user_0000001', 'ses_0000010', now()`, 1},
	{"revokeSessions", revokeSessions, `'user_0000001', '', now()`, 10},
	{"pruneSessions", pruneSessions, `now(), 1000`, 0},
	{"listEvents", listEvents, `'acct_0', 20`, 0},
	{"pruneEvents", pruneEvents, `now() - interval '9 years', 1000`, 0},
	{"ownedKeys", ownedKeys, `'acct_0', 20, 'key_0000500', 'user_0000001'`, 0},
	{"eventsAfter", eventsAfter, `'acct_0', 20, 'evt_0000500'`, 0},
}

// explain executes a prepared statement, with the plan that Postgres keeps for
// all its executions, and undoes it.
func explain(t testing.TB, s *Store, statement, args string) plan {
	t.Helper()
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	mode := "force_generic_plan"
	if statement == pruneKeys || statement == pruneSessions || statement == pruneEvents || statement == pruneInvitations { // see Store.prune
		mode = "force_custom_plan"
	}
	if _, err := tx.Exec(t.Context(), "SET LOCAL plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Prepare(t.Context(), "planned", s.schema.in(statement)); err != nil {
		t.Fatal(err)
	}
	defer tx.Conn().Deallocate(t.Context(), "planned")
	var text []byte
	err = tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE planned("+args+")", pgx.QueryExecModeSimpleProtocol).Scan(&text)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	var plans []struct{ Plan plan }
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		t.Fatal(err, string(text))
	}
	return plans[0].Plan
}

// checkPlans executes what requests and pages ask, and returns how many buffers
// each has read. It must reach its rows by an index, and read as much as before,
// when there was less, but for another level of each index. What writes also
// reads the indexes that it adds to.
func checkPlans(t testing.TB, s *Store, before map[string]int) map[string]int {
	t.Helper()
	buffers := map[string]int{}
	for _, q := range planned {
		p := explain(t, s, q.statement, q.args)
		indexes := 0
		for _, n := range p.nodes() {
			switch n.Type {
			case "Index Scan", "Index Only Scan", "Bitmap Index Scan":
				indexes++
			case "Seq Scan":
				t.Errorf("%s: %s on %s", q.name, n.Type, n.Table)
			}
			if n.Removed > 20 {
				t.Errorf("%s: %s on %s reads %d rows for nothing", q.name, n.Type, n.Table, n.Removed)
			}
		}
		if indexes == 0 {
			t.Errorf("%s uses no index", q.name)
		}
		buffers[q.name] = p.Hit + p.Read
		most := before[q.name] + 2*indexes
		if q.writes > 0 {
			most = 40 * q.writes
		}
		if before != nil && buffers[q.name] > most {
			t.Errorf("%s reads %d buffers, and %d when there was less", q.name, buffers[q.name], before[q.name])
		}
	}
	return buffers
}

// Every statement of a request or a page reaches its rows by an index, and
// reads as much of 100,000 keys as of 10,000.
func TestPlans(t *testing.T) {
	s := open(t, config(t))
	fill(t, s, 10_000)
	few := checkPlans(t, s, nil)
	fill(t, s, 100_000)
	many := checkPlans(t, s, few)
	if got, most := many["findKey"], 4*4; got == 0 || got > most { // three levels of index and the row, in four tables
		t.Errorf("findKey reads %d buffers, want 1 to %d", got, most)
	}
	for _, q := range planned {
		t.Logf("%-30s %3d buffers of 10,000 keys, %3d of 100,000", q.name, few[q.name], many[q.name])
	}
}
