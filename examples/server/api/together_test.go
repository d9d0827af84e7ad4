package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// two are servers of one Postgres, as in two processes.
func two(t *testing.T) [2]*clocked {
	t.Helper()
	a := clockedOn(t, postgres(t, "pool_max_conns=8"), "standard", "")
	b := &clocked{t: t, now: a.now, config: a.config, key: a.key}
	b.open()
	return [2]*clocked{a, b}
}

// race runs f n times on each, all at once.
func race(both [2]*clocked, n int, f func(c *clocked, i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		for _, c := range both {
			all.Go(func() {
				<-start
				f(c, i)
			})
		}
	}
	close(start)
	all.Wait()
}

// Of servers that find the database empty at the same moment one makes the
// demo; the others show no secret and leave no file.
func TestDemoIsMadeOnce(t *testing.T) {
	url, dir := postgres(t, "pool_max_conns=8"), t.TempDir()
	c := config{database: url, pepperFile: filepath.Join(dir, "pepper"), leakKeys: "http://127.0.0.1:1/"}
	var servers [2]*clocked
	for i := range servers {
		servers[i] = &clocked{t: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), config: c}
		servers[i].open()
	}
	var mu sync.Mutex
	told := map[string]string{}
	race(servers, 4, func(c *clocked, i int) {
		var out strings.Builder
		file := fmt.Sprintf("demo_%p_%d", c, i)
		if err := c.makeDemo(t.Context(), filepath.Join(dir, file), "http://localhost", &out); err != nil {
			t.Error(err)
		}
		if strings.Contains(out.String(), "has been made") {
			mu.Lock()
			defer mu.Unlock()
			told[file] = out.String()
		}
	})
	files, err := filepath.Glob(filepath.Join(dir, "demo_*"))
	if err != nil || len(told) != 1 || len(files) != 1 || told[filepath.Base(files[0])] == "" {
		t.Errorf("%d are made, %v are there, %v", len(told), files, err)
	}
	accounts, err := servers[0].Accounts().List(t.Context(), "", 9)
	if err != nil || len(accounts) != 2 {
		t.Errorf("%d accounts, %v", len(accounts), err)
	}
}

// Where the first start has died half-way it is said why there is no demo.
func TestDemoNotMade(t *testing.T) {
	c := newClocked(t, "standard", "") // it has an account
	var log, out strings.Builder
	c.log = slog.New(slog.NewTextHandler(&log, nil))
	err := c.makeDemo(t.Context(), "", "http://localhost", &out)
	if err != nil || out.Len() > 0 || !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), "demo not made: there are accounts") {
		t.Errorf("%v, %q, %q", err, &out, &log)
	}
}

func TestAskingTwoServers(t *testing.T) {
	b := two(t)
	b[0].fillRequests(maxPending - 5)
	race(b, 30, func(c *clocked, i int) {
		q := accessRequest{ID: fmt.Sprintf("req_%p_%d", c, i)}
		var full *problem.Problem
		if err := c.requests.add(t.Context(), q, c.now); err != nil && !errors.As(err, &full) {
			t.Error(err)
		}
	})
	var n int
	err := b[0].db.Row(t.Context(), `SELECT count(*) FROM tollgate_server.access_requests`).Scan(&n)
	if err != nil || n != maxPending {
		t.Errorf("%d wait, %v, want %d", n, err, maxPending)
	}
}

// Of approvals and rejections by two servers one decides.
func TestDecidingOnTwoServers(t *testing.T) {
	b := two(t)
	for round := range 5 {
		id := fmt.Sprint("req_", round)
		q := accessRequest{ID: id, Email: fmt.Sprint(round, "@example.org"), Organization: "O"}
		if err := b[0].requests.add(t.Context(), q, b[0].now); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		decided := 0
		race(b, 4, func(c *clocked, i int) {
			var err error
			if i == 3 {
				err = accessDesk{c.server}.reject(t.Context(), actor{id: "user_1"}, id, "no")
			} else {
				_, err = accessDesk{c.server}.approve(t.Context(), actor{id: "user_1"}, id, terms{})
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				decided++
			} else if !errors.Is(err, errDecided) {
				t.Error(err)
			}
		})
		q, err := b[0].requests.get(t.Context(), id)
		if err != nil || decided != 1 || (q.Account == "") != (q.Status == "rejected") {
			t.Errorf("%d decisions, %+v, %v", decided, q, err)
		}
		if keys, err := b[0].KeyAdmin().List(t.Context(), q.Account, "", 9); err != nil || len(keys) > 1 {
			t.Errorf("%d keys for one approval, %v", len(keys), err)
		}
	}
}

// A removed project leaves nothing in it behind, no matter who adds to it
// meanwhile. Two servers that change two fields at once change both.
func TestDocumentsOfTwoServers(t *testing.T) {
	b := two(t)
	in := tenant{"acct_1", live}
	add := func(c *clocked, of collection, id, parent string) error {
		return c.documents.add(context.Background(), in, of, document{ID: id, Parent: parent, Body: json.RawMessage(`{}`), Created: c.now})
	}
	for round := range 20 {
		project := fmt.Sprint("proj_", round)
		if err := add(b[0], projectDocs, project, ""); err != nil {
			t.Fatal(err)
		}
		race(b, 4, func(c *clocked, i int) {
			var err error
			if i == 2 && c == b[1] {
				err = c.documents.remove(t.Context(), in, projectDocs, "", project)
			} else {
				err = add(c, dataDocs, fmt.Sprintf("dat_%p_%d", c, i), project)
			}
			if err != nil && !errors.Is(err, errNoDocument) {
				t.Error(err)
			}
		})
	}
	var left int
	if err := b[0].db.Row(t.Context(), `SELECT count(*) FROM tollgate_server.documents`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d documents of no project, %v", left, err)
	}

	if err := add(b[0], projectDocs, "proj_1", ""); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	for i := range 20 {
		for _, c := range b {
			want[fmt.Sprintf("%p_%d", c, i)] = "set"
		}
	}
	race(b, 20, func(c *clocked, i int) {
		if _, err := c.documents.update(t.Context(), in, projectDocs, "", "proj_1", map[string]any{fmt.Sprintf("%p_%d", c, i): "set"}); err != nil {
			t.Error(err)
		}
	})
	doc, err := b[0].documents.get(t.Context(), in, projectDocs, "", "proj_1")
	var got map[string]any
	if err == nil {
		err = json.Unmarshal(doc.Body, &got)
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%d of %d changes are there, %v", len(got), len(want), err)
	}
}

// If two owners leave at once on two servers, one stays.
func TestLastOwnerOfTwoServers(t *testing.T) {
	b := two(t)
	for round := range 10 {
		account := fmt.Sprint("acct_round_", round)
		if err := b[0].Accounts().Create(t.Context(), store.Account{ID: account, Status: authz.Active}); err != nil {
			t.Fatal(err)
		}
		var users, auths [2]string
		for i := range users {
			users[i] = fmt.Sprintf("user_%d_%d", round, i)
			user := store.User{ID: users[i], Email: users[i] + "@example.com", Password: "some hash", Status: authz.Active}
			err := b[0].Users().Create(t.Context(), user)
			if err == nil {
				err = b[0].Memberships().Put(t.Context(), store.Membership{User: user.ID, Account: account, Role: roleOwner})
			}
			_, token, bad := b[0].sessions.Start(t.Context(), session.Spec{User: user, Account: account}, b[0].now)
			if err != nil || bad != nil {
				t.Fatal(err, bad)
			}
			auths[i] = "Session " + token.Reveal()
		}
		var mu sync.Mutex
		seen := map[int]int{}
		race(b, 1, func(c *clocked, _ int) {
			i := 0
			if c == b[1] {
				i = 1
			}
			a := c.as(auths[i], "DELETE", "/v1/team/"+users[i], "")
			mu.Lock()
			defer mu.Unlock()
			seen[a.status]++
		})
		if want := map[int]int{204: 1, 409: 1}; !maps.Equal(seen, want) {
			t.Errorf("round %d: %v, want %v", round, seen, want)
		}
	}
}
