package password_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"medtwin.ai/tollgate/authn/password"
)

// case S29: callers with priority are served first, three of four where others
// wait, and find room however full the other queue is; and the reverse.
func TestPriority(t *testing.T) {
	const queue = 8
	for _, tt := range []struct {
		name               string
		ordinary, priority int
		served             string
		busy               int
	}{
		{"priority comes first", 4, 3, "pppoooo", 0},
		{"every fourth is ordinary", 3, 8, "pppopppoppo", 0},
		{"a full ordinary queue", 100, 2, "ppoooooooo", 92},
		{"a full priority queue", 2, 100, "pppopppopp", 92},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := passwords(t, func(c *password.Config) { c.Hashes, c.Queue = 1, queue })
				step := make(chan struct{})
				p.OnHash(func(_, _ uint32) { <-step })
				go p.Hash(t.Context(), good) // takes the one place
				synctest.Wait()
				var served []string
				busy := 0
				call := func(p *password.Hasher, name string) {
					_, err := p.Hash(t.Context(), good)
					if _, ok := errors.AsType[*password.BusyError](err); ok {
						busy++
					} else if err != nil {
						t.Error(err)
					} else {
						served = append(served, name)
					}
				}
				for range tt.ordinary {
					go call(p, "o")
					synctest.Wait()
				}
				for range tt.priority {
					go call(p.Priority(), "p")
					synctest.Wait()
				}
				for range 1 + len(tt.served) {
					step <- struct{}{}
					synctest.Wait()
				}
				if got := strings.Join(served, ""); got != tt.served || busy != tt.busy {
					t.Errorf("got %s and %d sent away, want %s and %d", got, busy, tt.served, tt.busy)
				}
			})
		})
	}
}

// A place is never lost: callers that give up while they wait leave the others
// in order.
func TestPriorityGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := passwords(t, func(c *password.Config) { c.Hashes = 1 })
		step := make(chan struct{})
		p.OnHash(func(_, _ uint32) { <-step })
		done := make(chan string, 6)
		call := func(p *password.Hasher, name string) {
			_, err := p.Hash(t.Context(), good)
			done <- fmt.Sprint(name, " ", err == nil)
		}
		go call(p, "first")
		synctest.Wait()
		go call(p, "second")
		go call(p.Priority(), "third")
		// Nothing is hashed until both have waited for two seconds.
		got := []string{<-done, <-done}
		slices.Sort(got)
		if want := []string{"second false", "third false"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		step <- struct{}{}
		if got := <-done; got != "first true" {
			t.Errorf("got %s, want first true", got)
		}
		for _, h := range []*password.Hasher{p, p.Priority()} {
			go call(h, "later")
			step <- struct{}{}
			if got := <-done; got != "later true" {
				t.Errorf("got %s, want later true", got)
			}
		}
	})
}
