package api

import (
	"context"
	"log/slog"
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
	dir := b.TempDir()
	srv, err := newServer(ctx, config{
		database: "sqlite:" + filepath.Join(dir, "db"), pepperFile: filepath.Join(dir, "pepper"), leakKeys: "http://127.0.0.1:1/",
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	config := srv.keyConfig()
	config.Lease = 1 // nothing is remembered for longer than a nanosecond
	keys, err := apikey.New(config)
	if err != nil {
		b.Fatal(err)
	}
	if err := srv.Accounts().Create(ctx, store.Account{ID: "acct_1", Status: authz.Active, Created: now}); err != nil {
		b.Fatal(err)
	}
	_, token, err := keys.Issue(ctx, authn.Operator("acct_1"), apikey.Spec{Name: "k", Environment: live, Grant: srv.everything()}, now)
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
