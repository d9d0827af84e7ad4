package secretscan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/secretscan"
)

// case T5: while the keys cannot be had reports are acknowledged and wait, also
// across a restart; then they are verified and handled, or dropped. One that
// is sent twice waits once.
func TestSourceDown(t *testing.T) {
	key, stranger := newKey(t), newKey(t)
	src := newSource(t, nil)
	src.set(true, nil)
	s := newServer(t, src.URL, nil)
	signature := sign(t, key, report)
	for range 3 {
		if a := s.send(t, "k1", signature, strings.NewReader(report)); a.status != 202 || a.body != `[]` {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	forged := `[{"token":"mt_live_forged","type":"mt_key"}]`
	if a := s.signed(t, "k1", stranger, forged); a.status != 202 {
		t.Errorf("a forged one, which nobody can tell yet: %d", a.status)
	}
	if a := s.signed(t, "k2", stranger, forged); a.status != 202 {
		t.Errorf("one of an unknown key, likewise: %d", a.status)
	}
	if a := s.signed(t, "k1", key, `[{}]`); a.status != 400 {
		t.Errorf("one that is no report, and takes no room: %d", a.status)
	}
	if n, fetches := s.rows(), src.count(); n != 3 || fetches != 1 {
		t.Errorf("%d wait, %d fetches, want 3 and 1", n, fetches)
	}
	if told := s.told(); len(told) > 0 {
		t.Fatalf("looked up before they were verified: %v", told)
	}

	after := newServer(t, src.URL, func(c *secretscan.Config) { c.Store = s.store })
	after.run(t)
	after.Look()
	if n := after.rows(); n != 3 {
		t.Errorf("%d wait while the source is still down", n)
	}
	src.set(false, map[string]string{"k1": encode(t, key.Public())})
	after.clock.Add(secretscan.Pause)
	after.Look()
	told := after.told()
	if len(told["mt_live_ours"]) != 1 || len(told["mt_live_other"]) != 1 || len(told) != 2 {
		t.Errorf("told: %v", told)
	}
	if n := after.rows(); n != 0 {
		t.Errorf("%d still wait", n)
	}
	if handled, dropped := after.counts(t); handled != 1 || dropped != 2 {
		t.Errorf("handled %d, dropped %d; the log:\n%s", handled, dropped, after.log)
	}
}

// An outage of the key store keeps what waits, and a week without keys ends it.
func TestWaitLonger(t *testing.T) {
	key := newKey(t)
	src := newSource(t, nil)
	src.set(true, nil)
	s := newServer(t, src.URL, nil)
	s.signed(t, "k1", key, report)
	s.fail(context.DeadlineExceeded)
	s.run(t)
	src.set(false, map[string]string{"k1": encode(t, key.Public())})
	s.clock.Add(secretscan.Pause)
	s.Look()
	if n := s.rows(); n != 1 || !strings.Contains(s.log.String(), "leak reports wait longer") {
		t.Errorf("%d wait; the log:\n%s", n, s.log)
	}
	s.fail(nil)
	s.clock.Add(secretscan.Expiry) // an outage of ours does not count
	s.Look()
	if n, told := s.rows(), s.told(); n != 0 || len(told["mt_live_other"]) == 0 {
		t.Errorf("%d wait, told %v", n, told)
	}

	src.set(true, nil)
	s.clock.Add(secretscan.Pause)
	s.signed(t, "k9", key, report)
	s.clock.Add(secretscan.Expiry)
	s.Look()
	if n := s.rows(); n != 1 {
		t.Errorf("%d wait after a week", n)
	}
	s.clock.Add(time.Second)
	s.Look()
	if n := s.rows(); n != 0 || !strings.Contains(s.log.String(), "handled=0 dropped=1") {
		t.Errorf("%d wait after more than a week; the log:\n%s", n, s.log)
	}
}

// Under another secret what waits is lost, and said to be.
func TestOtherSeal(t *testing.T) {
	key := newKey(t)
	src := newSource(t, nil)
	src.set(true, nil)
	s := newServer(t, src.URL, nil)
	s.signed(t, "k1", key, report)
	src.set(false, map[string]string{"k1": encode(t, key.Public())})
	after := newServer(t, src.URL, func(c *secretscan.Config) { c.Store, c.Seal = s.store, bytes.Repeat([]byte{8}, 32) })
	after.run(t)
	after.Look()
	if n := s.rows(); n != 0 || !strings.Contains(after.log.String(), "dropped=1") {
		t.Errorf("%d wait; the log:\n%s", n, after.log)
	}
}

// A key that is new is accepted at its first use; 10,000 identifiers that are
// none cost one fetch in Pause; and an outage leaves the keys that are known.
func TestKeys(t *testing.T) {
	k1, k2 := newKey(t), newKey(t)
	src := newSource(t, map[string]string{"k1": encode(t, k1.Public())})
	s := newServer(t, src.URL, nil)
	if a := s.signed(t, "k1", k1, report); a.status != 200 {
		t.Fatal(a.status)
	}
	src.set(false, map[string]string{"k1": encode(t, k1.Public()), "k2": encode(t, k2.Public())})
	s.clock.Add(secretscan.Pause)
	if a := s.signed(t, "k2", k2, report); a.status != 200 {
		t.Errorf("a new key: %d", a.status)
	}
	before := src.count()
	s.clock.Add(secretscan.Pause)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 250 {
				if a := s.send(t, fmt.Sprintf("random%d.%d", w, i), "AAAA", strings.NewReader(report)); a.status != 403 {
					t.Errorf("an unknown identifier: %d", a.status)
				}
			}
		})
	}
	wg.Wait()
	if n := src.count() - before; n != 1 {
		t.Errorf("%d fetches for 1,000 identifiers", n)
	}

	src.set(true, nil)
	s.clock.Add(30 * 24 * time.Hour)
	s.run(t)
	s.Look()
	if a := s.signed(t, "k2", k2, report); a.status != 200 {
		t.Errorf("in an outage: %d", a.status)
	}
	if n := strings.Count(s.log.String(), "reachable=false"); n != 1 {
		t.Errorf("%d lines on the outage:\n%s", n, s.log)
	}
	src.set(false, map[string]string{"k1": encode(t, k1.Public())})
	s.clock.Add(secretscan.Current)
	s.Look()
	if a := s.signed(t, "k2", k2, report); a.status != 403 {
		t.Errorf("a key that was withdrawn: %d", a.status)
	}
	if a := s.signed(t, "k1", k1, report); a.status != 200 {
		t.Errorf("a key that was not: %d", a.status)
	}
}

// What is no list of keys is an outage, and leaves the keys that are known.
func TestBadSource(t *testing.T) {
	key := newKey(t)
	good := map[string]string{"k1": encode(t, key.Public())}
	list, err := json.Marshal(map[string]any{"public_keys": []any{map[string]any{"key_identifier": "k1", "key": good["k1"]}}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); w.Write(list) }},
		{"empty", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"public_keys":[]}`)) }},
		{"no keys", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{}`)) }},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`<html>`)) }},
		{"2 MiB", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(append(list, bytes.Repeat([]byte(" "), 2<<20)...))
		}},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"bad beside", nil},
	} {
		src := newSource(t, good)
		s := newServer(t, src.URL, nil)
		src.answer = tt.answer
		if tt.answer == nil {
			src.keys = map[string]string{"k1": good["k1"], "k2": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "": good["k1"]}
		}
		got[tt.name] = s.signed(t, "k1", key, report).status
		if tt.answer != nil {
			src.set(false, good)
			s.clock.Add(secretscan.Pause)
			s.signed(t, "k1", key, report)
			src.mu.Lock()
			src.answer = tt.answer
			src.mu.Unlock()
			s.clock.Add(secretscan.Pause)
			s.send(t, "k2", "AAAA", strings.NewReader(report))
			if a := s.signed(t, "k1", key, report); a.status != 200 {
				t.Errorf("%s after a good list: %d", tt.name, a.status)
			}
		}
	}
	want := map[string]int{"error": 202, "empty": 202, "no keys": 202, "HTML": 202, "2 MiB": 202, "hangs up": 202, "bad beside": 200}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
}
