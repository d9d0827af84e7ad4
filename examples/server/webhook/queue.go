package webhook

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	maxPending  = 10_000             // deliveries of an account that are still attempted
	maxBody     = 64 << 10           // bytes
	maxAttempts = 11                 // which delay stretches over 22 to 27 hours
	longest     = 5 * time.Hour      // between two attempts
	lease       = 3 * attemptTimeout // of an endpoint to an attempt; then that has died with its process
	keep        = 7 * 24 * time.Hour // of what is settled, so that it is not queued again
)

// ErrBacklog says that an event is not queued for one or more endpoints,
// because too much waits to be delivered to them already.
var ErrBacklog = errors.New("webhook: too many pending deliveries")

// An Event is something that happened to a key.
type Event struct {
	ID   string    // unique, of [A-Za-z0-9_-]: the specification wants no full stop; the webhook-id
	Kind string    // "key.created"
	At   time.Time // when it happened
	Data any       // about what, in JSON; without secrets: it is stored and sent as it is
}

// Enqueue writes down what is to be delivered of an event: once to every
// endpoint of the account that hears of its kind. When it returns nil, that
// survives a crash. Within a week, doing it again with an event of the same ID
// does nothing.
//
// An account has 10,000 pending deliveries, and an endpoint an equal share of
// them, so that a dead endpoint does not cost the others their events. What is
// more is dropped, counted in [Endpoint].Dropped and reported as [ErrBacklog];
// the endpoints that have room still get it.
func (s *Sender) Enqueue(ctx context.Context, account string, e Event) error {
	if !validID(e.ID, "-") || !validID(e.Kind, ".") {
		return fmt.Errorf("%w: want an event with an ID and a kind", ErrInvalid)
	}
	body, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      any       `json:"data"`
	}{e.Kind, e.At.UTC(), e.Data})
	if err != nil || len(body) > maxBody {
		return fmt.Errorf("%w: want at most %d bytes of JSON", ErrInvalid, maxBody)
	}
	const hears = `account = ?1 AND gone = 0 AND (kinds = '' OR replace(' ' || kinds || ' ', ' ' || CAST(?2 AS TEXT) || ' ', '') <> ' ' || kinds || ' ')`
	var dropped int64
	err = s.together(ctx, func(b *batch) {
		b.lock(account) // what is pending is counted
		b.do(`WITH all_of_it AS MATERIALIZED (SELECT id, (SELECT count(*) FROM server_deliveries WHERE endpoint = w.id AND due IS NOT NULL) AS pending
				FROM server_webhooks w WHERE account = ?1 AND gone = 0)
			INSERT INTO server_deliveries (endpoint, event, body, due)
			SELECT id, ?3, ?4, CAST(?5 AS BIGINT) FROM server_webhooks JOIN all_of_it USING (id) WHERE `+hears+`
				AND pending < CAST(?6 AS BIGINT) / (SELECT count(*) FROM all_of_it) AND (SELECT sum(pending) + count(*) FROM all_of_it) <= ?6
			ON CONFLICT DO NOTHING`,
			account, e.Kind, e.ID, string(body), s.now().UnixMicro(), maxPending)
		dropped = b.do(`UPDATE server_webhooks SET dropped = dropped + 1 WHERE `+hears+`
			AND NOT EXISTS (SELECT 1 FROM server_deliveries WHERE endpoint = id AND event = ?3)`, account, e.Kind, e.ID)
	})
	if err != nil {
		return err
	}
	select {
	case s.wake <- struct{}{}:
	default: // Run has yet to see the last one
	}
	if dropped > 0 {
		return fmt.Errorf("%w: event %s is dropped for %d endpoints", ErrBacklog, e.ID, dropped)
	}
	return nil
}

// A claim is of an endpoint, to one attempt.
type claim struct {
	endpoint string
	until    int64 // tells it from the next one's
}

// claim takes up to n endpoints for which something is due and no attempt is
// under way, in this or another process: those that fail or those that do
// not, the one served longest ago first.
func (s *Sender) claim(ctx context.Context, failing bool, n int) ([]claim, error) {
	now := s.now()
	rows, err := s.db.Rows(ctx, `WITH free AS MATERIALIZED (
			SELECT id FROM server_webhooks w WHERE busy <= ?1 AND (failures > 0) = ?3
				AND EXISTS (SELECT 1 FROM server_deliveries WHERE endpoint = w.id AND due <= ?1)
			ORDER BY attempted LIMIT ?4 /*pg FOR UPDATE OF w SKIP LOCKED */)
		UPDATE server_webhooks SET attempted = ?1, busy = ?2 WHERE busy <= ?1 AND id IN (SELECT id FROM free) RETURNING id, busy`,
		now.UnixMicro(), now.Add(lease).UnixMicro(), failing, n)
	return collect(rows, err, func(c *claim) []any { return []any{&c.endpoint, &c.until} })
}

// freed ends the claim that lasts until ?2, and none that has begun since.
const freed = `busy = CASE busy WHEN ?2 THEN 0 ELSE busy END`

// A delivery is one event on its way to one endpoint.
type delivery struct {
	claim
	account, event, url string
	body                []byte
	attempts            int // that failed
}

// due returns what has been due longest at an endpoint, or sql.ErrNoRows.
func (s *Sender) due(ctx context.Context, c claim) (delivery, error) {
	d := delivery{claim: c}
	err := s.db.Row(ctx, `SELECT account, event, url, body, attempts FROM server_deliveries
		JOIN server_webhooks ON id = endpoint WHERE endpoint = ?1 AND due <= ?2 ORDER BY due LIMIT 1`,
		c.endpoint, s.now().UnixMicro()).Scan(&d.account, &d.event, &d.url, &d.body, &d.attempts)
	return d, err
}

// record finishes a delivery that arrived. It postpones or gives up one that
// failed, and gives up all others of the endpoint if that is gone. All
// transactions change endpoints before deliveries, so that no two of them wait
// for each other.
func (s *Sender) record(ctx context.Context, d delivery, f *failure) error {
	now := s.now()
	at := now.UnixMicro()
	return s.together(ctx, func(b *batch) {
		const finish = `UPDATE server_deliveries SET due = NULL, settled = ?2, body = '', error = ?3 WHERE endpoint = ?1`
		if f == nil {
			b.do(`UPDATE server_webhooks SET `+freed+`, failures = 0, delivered = ?3 WHERE id = ?1`, d.endpoint, d.until, at)
			b.do(finish+` AND event = ?4`, d.endpoint, at, "", d.event)
			return
		}
		n := d.attempts + 1
		if f.gone {
			b.lock(d.account) // so that nothing is queued for it meanwhile
			b.do(`UPDATE server_webhooks SET gone = ?2 WHERE id = ?1`, d.endpoint, at)
		}
		b.do(`UPDATE server_webhooks SET `+freed+`, failures = failures + 1, failed = ?3, error = ?4 WHERE id = ?1`, d.endpoint, d.until, at, f.text)
		switch {
		case f.gone:
			b.do(finish+` AND due IS NOT NULL`, d.endpoint, at, f.text)
		case n >= maxAttempts:
			b.do(finish+` AND due IS NOT NULL AND event = ?4`, d.endpoint, at, f.text, d.event)
		default: // unless another attempt, made when this one was taken for dead, has finished it
			b.do(`UPDATE server_deliveries SET attempts = ?3, due = ?4, error = ?5 WHERE endpoint = ?1 AND event = ?2 AND due IS NOT NULL`,
				d.endpoint, d.event, n, now.Add(max(delay(n), f.wait)).UnixMicro(), f.text)
		}
		if b.err == nil && (f.gone || n >= maxAttempts) {
			s.log.WarnContext(ctx, "webhook delivery given up", slog.String("endpoint", d.endpoint), slog.String("event", d.event),
				slog.Int("attempts", n), slog.String("error", f.text), slog.Bool("gone", f.gone))
		}
	})
}

// delay returns how long to wait after n failed attempts: 5 s, 20 s, 80 s and
// so on up to five hours, and up to a quarter more by chance, so that what
// failed together is not tried again together.
func delay(n int) time.Duration {
	d := min(5*time.Second<<(2*(n-1)), longest)
	var b [8]byte
	rand.Read(b[:])
	return d + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(d/4))
}
