package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Traffic is many requests in flight, all the time: of those who are known to
// the servers, of strangers with keys that were never issued, and of people who
// make and revoke keys.
type traffic struct {
	*fleet
	known     []string // credentials that the servers have in memory
	strangers []string

	ended chan struct{}
	all   sync.WaitGroup

	mu      sync.Mutex
	answers map[string]map[int]int // by who asked: how many of each status
	passed  map[string]time.Time   // by who asked: when they last did
	made    map[string]bool        // keys whose making was acknowledged: are they live
	wrong   []string
}

// A load is how many do what at the same time, how long each pauses, and how many
// accounts share the requests of those who are known, and of those who make keys.
type load struct {
	known, strangers, makers int
	pause                    time.Duration
	accounts                 int
}

var (
	heavy = load{120, 40, 40, 0, 200} // 200 requests in flight, and no moment without
	light = load{30, 10, 20, 20 * time.Millisecond, 60}
)

// run begins the traffic, at both servers. Its accounts are made before.
func (f *fleet) run(l load, known []string) *traffic {
	f.t.Helper()
	t := &traffic{fleet: f, known: known, ended: make(chan struct{}), answers: make(map[string]map[int]int), made: make(map[string]bool), passed: make(map[string]time.Time)}
	for range 2000 {
		t.strangers = append(t.strangers, tokenOf("mt_live_"))
	}
	var makers []account // many, for each may make 60 requests a minute
	for range l.accounts {
		makers = append(makers, f.account(0))
	}
	for _, k := range known {
		for _, p := range []*process{f.a, f.b} {
			if !f.passes(p, k) {
				f.t.Fatal("a key is refused before anything has happened")
			}
		}
	}
	var turn atomic.Int64
	work := func(do func(i int64)) {
		t.all.Go(func() {
			pause := time.NewTicker(max(1, l.pause))
			defer pause.Stop()
			for {
				select {
				case <-t.ended:
					return
				case <-pause.C:
					do(turn.Add(1))
				}
			}
		})
	}
	for range l.known {
		work(func(i int64) {
			p, who := f.a, "known to a"
			if i%2 == 0 {
				p, who = f.b, "known to b"
			}
			t.note(who, f.do(p, "GET", "/v1/whoami", known[i%int64(len(known))], ""), 200, 429, 503)
		})
	}
	for range l.strangers {
		work(func(i int64) {
			t.note("strangers", f.do(f.b, "GET", "/v1/whoami", t.strangers[i%int64(len(t.strangers))], ""), 401, 503)
		})
	}
	for range l.makers {
		work(func(i int64) { t.make(makers[i%int64(len(makers))], i) })
	}
	return t
}

// make makes a key at a, brings it to b, which has not seen it, and revokes
// every other one. What has no answer may have happened or not.
func (t *traffic) make(m account, i int64) {
	a := t.do(t.a, "POST", "/v1/api-keys", m.session, `{"name": "made", "permissions": ["read"]}`)
	t.note("makers", a, 201, 429, 503)
	if a.status != 201 {
		return
	}
	id, key := text(a.body, "id"), text(a.body, "key")
	t.keep(key, true)
	t.note("new keys", t.do(t.b, "GET", "/v1/whoami", key, ""), 200, 503)
	if i%2 == 0 {
		t.forget(key) // until we know
		if a := t.do(t.a, "DELETE", "/v1/api-keys/"+id, m.session, ""); a.status == 204 {
			t.keep(key, false)
		}
	}
}

func (t *traffic) keep(key string, live bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made[key] = live
}

func (t *traffic) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.made, key)
}

// note counts an answer, and keeps one that must not be.
func (t *traffic) note(who string, a answer, allowed ...int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answers[who] == nil {
		t.answers[who] = make(map[int]int)
	}
	t.answers[who][a.status]++
	if a.status == 200 || a.status == 429 {
		t.passed[who] = time.Now()
	}
	if !slices.Contains(allowed, a.status) && len(t.wrong) < 20 {
		t.wrong = append(t.wrong, fmt.Sprintf("%s: %d %s", who, a.status, strings.TrimSpace(a.body)))
	}
	if a.status == 503 && a.header.Get("Retry-After") == "" && len(t.wrong) < 20 {
		t.wrong = append(t.wrong, who+": 503 without Retry-After")
	}
}

// begin forgets the answers so far and returns them.
func (t *traffic) begin() map[string]map[int]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.answers
	t.answers = make(map[string]map[int]int)
	return n
}

// A count is how many answers of a status somebody had.
type count func(who string, status int) int

// until waits for something to be true of the answers since begin.
func (t *traffic) until(what string, ok func(n count) bool) {
	t.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(time.Minute); ; <-tick.C {
		t.mu.Lock()
		done := ok(func(who string, status int) int { return t.answers[who][status] })
		so := fmt.Sprint(t.answers)
		t.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(late) {
			t.t.Fatalf("not within a minute: %s; %s", what, so)
		}
	}
}

// end ends the traffic. It checks that no caller was told or let do what they
// must not, and that nothing acknowledged was lost.
func (t *traffic) end() {
	t.t.Helper()
	close(t.ended)
	t.all.Wait()
	for _, w := range t.wrong {
		t.t.Error(w)
	}
	var lost, back atomic.Int64
	keys := slices.Collect(maps.Keys(t.made))
	each(len(keys), 16, func(i int) { // at a, which has not seen them
		live := t.made[keys[i]]
		switch passes := t.passes(t.a, keys[i]); {
		case live && !passes:
			lost.Add(1)
		case !live && passes:
			back.Add(1)
		}
	})
	t.t.Logf("%d keys made and acknowledged, of which %d lost, %d revoked and back; answers afterwards: %v", len(keys), lost.Load(), back.Load(), t.answers)
	if lost.Load()+back.Load() > 0 || len(keys) == 0 {
		t.t.Errorf("of %d keys %d were lost and %d are back", len(keys), lost.Load(), back.Load())
	}
}

// recovered returns how long it takes until both servers are ready again.
func (t *traffic) recovered(most time.Duration) time.Duration {
	t.t.Helper()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		a, b := t.do(t.a, "GET", "/ready", "", ""), t.do(t.b, "GET", "/ready", "", "")
		if a.status == 200 && b.status == 200 {
			return time.Since(began)
		}
		if time.Since(began) > most {
			t.t.Fatalf("not ready after %v: %d %s, %d %s", most, a.status, a.body, b.status, b.body)
		}
	}
}
