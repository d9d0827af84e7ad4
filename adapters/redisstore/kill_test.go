package redisstore

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
)

// victim is the variable that makes this program one, and says of which Redis.
const victim = "REDISSTORE_VICTIM"

// A place is the address of a Redis, a Sentinel or a cluster.
type place struct {
	Addrs                    []string
	Master, Password, Prefix string
}

// suffer creates sessions and ends them forever, and says so after each is
// acknowledged. Number n is ended after number n+1 was created.
func suffer(how string) error {
	var p place
	if err := json.Unmarshal([]byte(how), &p); err != nil {
		return err
	}
	s, err := New(Config{Prefix: p.Prefix, Client: redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: p.Addrs, MasterName: p.Master, Password: p.Password, SentinelPassword: p.Password, ContextTimeoutEnabled: true,
	})})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := s.Sessions().Create(context.Background(), login("u", n)); err != nil {
			return err
		}
		fmt.Println("created", login("u", n).ID)
		if n == 0 {
			continue
		}
		if err := s.Sessions().Revoke(context.Background(), "u", login("u", n-1).ID, t0); err != nil {
			return err
		}
		fmt.Println("revoked", login("u", n-1).ID)
	}
}

// A process killed at any moment loses no session and no revocation that it has
// acknowledged.
// case T8, for kill -9 of a node
func TestProcessKilled(t *testing.T) {
	places := map[string]func() place{
		"miniredis": func() place { return place{Addrs: []string{must(tiny())(t).Addr()}} },
		"alone": func() place {
			return place{Addrs: []string{must(alone())(t).Addr()}, Password: must(alone())(t).Password()}
		},
		"sentinel": func() place {
			return place{Addrs: must(sentinel())(t).Addrs(), Password: must(sentinel())(t).Password(), Master: redistest.MasterName}
		},
		"cluster": func() place {
			return place{Addrs: must(cluster())(t).Addrs(), Password: must(cluster())(t).Password()}
		},
	}
	for _, b := range backends {
		for _, line := range []int{1, 2, 3, 40} { // right after each kind of call, and well under way
			t.Run(fmt.Sprint(b.name, line), func(t *testing.T) {
				s := open(t, b.client(t))
				p := places[b.name]()
				p.Prefix = string(s.names)
				acknowledged := kill(t, p, line)
				if len(acknowledged) == 0 {
					t.Fatal("nothing was acknowledged")
				}
				for id, what := range acknowledged {
					got, err := s.Sessions().Get(t.Context(), "u", id)
					if err != nil || what == "revoked" && !got.Revoked.Equal(t0) {
						t.Errorf("%s was %s, and now: revoked at %v, error %v", id, what, got.Revoked, err)
					}
				}
			})
		}
	}
}

// kill starts a victim, kills it at a line of its output, and returns what it
// had acknowledged last of every session.
func kill(t *testing.T, p place, line int) map[string]string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+string(must(json.Marshal(p))(t)))
	cmd.Stderr = os.Stderr
	out := must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // also where this test fails
	acknowledged := map[string]string{}
	for in := bufio.NewScanner(out); in.Scan(); { // to the last that it got out
		what, id, _ := strings.Cut(in.Text(), " ")
		if what != "created" && what != "revoked" {
			t.Fatalf("the victim says %q", in.Text())
		}
		acknowledged[id] = what
		if line--; line == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the victim was not killed: %v", err)
	}
	return acknowledged
}
