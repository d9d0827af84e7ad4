package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// A key that is not remembered, verified on SQLite: parse, digest, one
// statement, rights.
func BenchmarkColdVerify(b *testing.B) {
	ctx, now := context.Background(), time.Now()
	v, err := newVocabulary()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	db, err := openBackend("sqlite:" + filepath.Join(dir, "db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	keys, err := newKeys(config{pepperFile: filepath.Join(dir, "pepper")}, v, db, func(c *apikey.Config) {
		c.Lease = 1 // nothing is remembered for longer than a nanosecond
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := db.accounts.Create(ctx, store.Account{ID: "acct_1", Status: authz.Active, Created: now}); err != nil {
		b.Fatal(err)
	}
	_, token, err := keys.Issue(ctx, authn.Operator("acct_1"), apikey.Spec{Name: "k", Environment: live, Grant: v.model.Everything()}, now)
	if err != nil {
		b.Fatal(err)
	}
	c := authn.NewCredential("bearer", token.Reveal())
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		if _, err := keys.Authenticate(ctx, c, now); err != nil {
			b.Fatal(err)
		}
	}
}
