package pgstore

import (
	"errors"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

// Known keys are served while the server is killed, hangs or has no connection
// left, for OutageLease and no longer. Only the first of them waits for the
// server, and its answers count again as soon as it is back.
// case K9, of a store that cannot be reached
func TestOutageLease(t *testing.T) {
	const callers, lease, timeout = 100, time.Minute, time.Second
	hurt := durable(t)
	s := open(t, Config{URL: hurt.URL("pool_max_conns=6")})
	newAccount(t, s)
	f, err := keyfmt.New("mt_live_")
	if err != nil {
		t.Fatal(err)
	}
	model, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := apikey.New(apikey.Config{
		Store: s, Model: model, Formats: map[string]keyfmt.Format{"live": f}, Peppers: keyfmt.InsecureUnpeppered(),
		OutageLease: lease, Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids, tokens []string
	for range callers {
		k, token, err := keys.Issue(t.Context(), authn.Operator("acct_1"), apikey.Spec{Name: "k", Environment: "live", Grant: model.Everything()}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ids, tokens = append(ids, k.ID), append(tokens, token.Reveal())
	}
	ask := func(i int, now time.Time) error {
		_, err := keys.Authenticate(t.Context(), authn.NewCredential("bearer", tokens[i]), now)
		return err
	}
	all := func(what string, now time.Time, want error) time.Duration {
		return together(len(tokens), len(tokens), func(i int) {
			if err := ask(i, now); !errors.Is(err, want) {
				t.Errorf("%s, key %d: %v, want %v", what, i, err, want)
			}
		})
	}
	var busy []interface{ Release() }
	exhaust := func() error {
		for range s.pool.Config().MaxConns {
			c, err := s.pool.Acquire(t.Context())
			if err != nil {
				return err
			}
			busy = append(busy, c)
		}
		return nil
	}
	release := func() error {
		for _, c := range busy {
			c.Release()
		}
		return nil
	}
	now := time.Now()
	for _, fault := range []struct {
		name        string
		begin, mend func() error
	}{
		{"killed", hurt.Kill, hurt.Restart},
		{"hung", hurt.Pause, hurt.Resume},
		{"no connection left", exhaust, release},
	} {
		now = now.Add(2 * lease)
		all(fault.name+", before", now, nil)
		if err := fault.begin(); err != nil {
			t.Fatal(err)
		}
		first := all(fault.name, now.Add(lease/2), nil)
		later := all(fault.name+", later", now.Add(lease/2), nil)
		t.Logf("%s: the first requests took %v, the next %v", fault.name, first, later)
		if later >= timeout {
			t.Errorf("%s: once it is known, requests took %v", fault.name, later)
		}
		if _, err := keys.Authenticate(t.Context(), authn.NewCredential("bearer", f.Generate().Reveal()), now); !errors.Is(err, authn.ErrUnavailable) {
			t.Errorf("%s: a stranger: %v", fault.name, err)
		}
		all(fault.name+", for too long", now.Add(lease), authn.ErrUnavailable)
		if err := fault.mend(); err != nil {
			t.Fatal(err)
		}
		within(t, 20*time.Second, "a revocation by another node", func() bool {
			return s.KeyAdmin().Revoke(t.Context(), "acct_1", ids[0], "", t0) == nil
		})
		within(t, 10*time.Second, fault.name+": refused", func() bool { return errors.Is(ask(0, now.Add(lease/2)), authn.ErrRevoked) })
		ids, tokens = ids[1:], tokens[1:]
	}
}
