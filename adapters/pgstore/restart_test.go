package pgstore

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

// queries counts the statements of its connections that look up keys.
type queries struct{ n atomic.Int64 }

// TraceQueryStart implements [pgx.QueryTracer].
func (q *queries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.Contains(data.SQL, "WHERE k.sum = $1") {
		q.n.Add(1)
	}
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (q *queries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A process that remembers nothing yet asks once about each active key, no
// matter how many callers bring that key at the same time.
func TestRestart(t *testing.T) { restart(t, 10_000) }

// BenchmarkRestart is the same with 100,000 keys.
func BenchmarkRestart(b *testing.B) {
	for range b.N {
		b.ReportMetric(restart(b, 100_000), "queries/key")
	}
}

// restart returns how many queries there were for each key.
func restart(t testing.TB, active int) float64 {
	const goroutines = 16
	var q queries
	pc, err := pgxpool.ParseConfig(server.URL("pool_max_conns=16"))
	if err != nil {
		t.Fatal(err)
	}
	pc.ConnConfig.Tracer = &q
	pool, err := pgxpool.NewWithConfig(t.Context(), pc)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := open(t, Config{Pool: pool, Schema: server.Schema(t)})
	newAccount(t, s)

	f, err := keyfmt.New("mt_live_")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([]string, active)
	_, err = pool.CopyFrom(t.Context(), pgx.Identifier{s.schema.name, "keys"},
		[]string{"id", "account", "created_by", "name", "environment", "hint", "pepper", "sum", "grants", "created"},
		pgx.CopyFromSlice(active, func(i int) ([]any, error) {
			token := f.Generate()
			tokens[i] = token.Reveal()
			d := ring.Digest(token)
			return []any{fmt.Sprintf("key_%07d", i), "acct_1", "operator", "Key", "live", token.Hint(), d.Pepper, d.Sum[:],
				`{"v":1,"permissions":["read"],"scope":{},"endpoints":"*","environments":["live"]}`, t0}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	byHand(t, s, `ANALYZE tollgate.keys`)

	model, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := apikey.New(apikey.Config{
		Store: s, Model: model, Formats: map[string]keyfmt.Format{"live": f}, Peppers: ring,
		CacheSize: 1 << 21, // of which every key has a place of its own for sure: eight share a set
		Lease:     time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(i int) {
		if _, err := keys.Authenticate(t.Context(), authn.NewCredential("bearer", tokens[i]), time.Now()); err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
	// Two goroutines at a time bring the same key.
	took := together(goroutines, 2*active, func(i int) { verify(i / 2) })
	cold := q.n.Load()
	together(goroutines, goroutines, func(int) { verify(0) })
	again := together(goroutines, active, verify)
	t.Logf("%d keys, each brought twice at the same time: %d queries in %v; once more: %d in %v", active, cold, took, q.n.Load()-cold, again)
	if cold != int64(active) || q.n.Load() != cold {
		t.Errorf("%d keys were %d queries, and %d more when all came again", active, cold, q.n.Load()-cold)
	}
	return float64(cold) / float64(active)
}
