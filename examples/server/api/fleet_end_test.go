package api

import (
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// case T8: whether a server is told to stop under load or killed, no key,
// revocation or log-out that it has acknowledged is lost; and when it is told,
// no use either.
func TestServerEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
	}{{"told", syscall.SIGTERM}, {"killed", syscall.SIGKILL}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleetOf(t, start, postgres(t), redisServer(t).URL()) // races end a server with an error
			defer f.logs()
			var mu sync.Mutex
			live, ended, used := map[string]bool{}, map[string]bool{}, map[string]string{} // credentials; ids and their accounts
			note := func(m map[string]bool, token string) {
				mu.Lock()
				defer mu.Unlock()
				m[token] = true
			}
			var makers []account
			for range 20 {
				a := f.account(0)
				for range 20 {
					a.keys = append(a.keys, f.session(store.User{ID: a.owner}, a.id))
				}
				makers = append(makers, a)
			}
			var acknowledged atomic.Int64
			var all sync.WaitGroup
			for _, m := range makers {
				all.Go(func() {
					for _, other := range m.keys { // until there is no answer
						a := f.do(f.a, "POST", "/v1/api-keys", m.session, `{"name": "made", "permissions": ["read"]}`)
						if a.status != 201 {
							return
						}
						id, key := text(a.body, "id"), text(a.body, "key")
						use := f.do(f.a, "GET", "/v1/whoami", key, "")
						if acknowledged.Add(1)%2 == 0 {
							note(live, key)
							if use.status == 200 { // of what is revoked no use is written
								mu.Lock()
								used[id] = m.id
								mu.Unlock()
							}
						} else if f.do(f.a, "DELETE", "/v1/api-keys/"+id, m.session, "").status == 204 {
							note(ended, key)
						}
						if f.do(f.a, "POST", "/v1/auth/logout", other, "").status == 204 {
							note(ended, other)
						}
					}
				})
			}
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			over := make(chan struct{})
			go func() {
				all.Wait()
				close(over)
			}()
			for acknowledged.Load() < 100 {
				select {
				case <-tick.C:
				case <-over:
					t.Fatalf("all was over after %d keys", acknowledged.Load())
				}
			}
			if err := f.a.cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			<-over
			if err := f.a.cmd.Wait(); err != nil && tt.signal == syscall.SIGTERM {
				t.Errorf("the server ended with %v", err)
			}
			for token := range live {
				if !f.passes(f.b, token) {
					t.Error("a key that was acknowledged is lost")
				}
			}
			for token := range ended {
				if a := f.do(f.b, "GET", "/v1/whoami", token, ""); a.status != 401 {
					t.Errorf("what was acknowledged as ended gets %d", a.status)
				}
			}
			unseen := 0
			for id, account := range used {
				if k, err := f.desk.KeyAdmin().Get(t.Context(), account, id); err != nil || k.Used.IsZero() {
					unseen++
				}
			}
			t.Logf("%d keys, %d ended, %d used, %d uses lost", len(live), len(ended), len(used), unseen)
			if unseen > 0 && tt.signal == syscall.SIGTERM {
				t.Errorf("%d uses were lost", unseen)
			}
			if acknowledged.Load() == 400 {
				t.Error("all was over before the server ended")
			}
		})
	}
}
