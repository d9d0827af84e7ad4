package main

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"medtwin.ai/tollgate/examples/server/webhook"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// record writes down what a request has done to a credential, a person or an
// account, and tells the account's webhooks. It runs after the change, which
// stands whether or not it can be told of.
func (s *server) record(r *http.Request, kind, subject, note string) {
	p, _ := caller(r)
	s.recordIn(r, p.Account, kind, subject, note)
}

// recordIn is record for an account that need not be the caller's.
func (s *server) recordIn(r *http.Request, account, kind, subject, note string) {
	s.note(r.Context(), s.actor(r).event(account, kind, subject, note))
}

// An actor is the user, key or operator that does something, and from where.
type actor struct{ id, address string }

func (s *server) actor(r *http.Request) actor {
	p, _ := caller(r)
	a := actor{p.User, shown(s.gate.ClientAddr(r))}
	if a.id == "" {
		a.id = p.ID
	}
	return a
}

func (a actor) event(account, kind, subject, note string) store.Event {
	return store.Event{Account: account, Actor: a.id, Kind: kind, Subject: subject, Address: a.address, Note: note}
}

// shown is an address as records have it; nothing, where there is none.
func shown(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// note completes an event and writes it. An event that cannot be written goes to
// the log as a whole.
func (s *server) note(ctx context.Context, e store.Event) {
	e = s.completed(e)
	if err := s.write(ctx, e); err != nil {
		s.log.ErrorContext(ctx, "event not recorded", slog.Any("err", err), slog.String("request_id", problem.RequestID(ctx)),
			slog.String("id", e.ID), slog.String("account", e.Account), slog.String("actor", e.Actor), slog.String("kind", e.Kind),
			slog.String("subject", e.Subject), slog.String("address", e.Address), slog.Time("at", e.At), slog.String("note", e.Note))
	}
}

// completed gives an event its time and id, and takes out of its note what
// belongs in no log.
func (s *server) completed(e store.Event) store.Event {
	if e.At.IsZero() {
		e.At = s.now().UTC().Truncate(time.Microsecond)
	}
	if e.ID == "" {
		e.ID = keyfmt.NewID("evt_", e.At)
	}
	e.Note = s.redacted(e.Note)
	return e
}

// write is note for callers that can repeat it: it returns the error.
func (s *server) write(ctx context.Context, e store.Event) error {
	ctx, cancel := detached(ctx, recordTimeout) // also when the client has hung up
	defer cancel()
	return appendEvent(ctx, s.backend, s.hooks, s.completed(e))
}

// detached returns a context that ends after d, whether or not the client hangs
// up. It has an end so that a database that hangs keeps no connection busy and
// no server from ending.
func detached(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}

// appendEvent writes an event and, if it is about a key, queues it for the
// account's webhooks. Doing it again with the same event does nothing more, so
// that a process which died half-way can repeat it.
func appendEvent(ctx context.Context, b *backend, hooks *webhook.Sender, e store.Event) error {
	if err := b.Events().Append(ctx, e); err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	if !strings.HasPrefix(e.Kind, "key.") {
		return nil
	}
	told := keyEvent{KeyID: e.Subject, Actor: e.Actor, Note: e.Note}
	key, err := b.KeyAdmin().Get(ctx, e.Account, e.Subject)
	switch {
	case err == nil:
		told.Name, told.Hint, told.Environment = key.Name, key.Hint, key.Environment
		if !key.Expires.IsZero() {
			told.ExpiresAt = key.Expires.Format(time.RFC3339)
		}
	case !errors.Is(err, store.ErrNotFound): // that: it is about many, or about one long gone
		return err
	}
	return hooks.Enqueue(ctx, e.Account, webhook.Event{ID: e.ID, Kind: e.Kind, At: e.At, Data: told})
}

// A keyEvent is what a webhook is told of a key. There is no secret in it.
type keyEvent struct {
	KeyID       string `json:"key_id"`
	Name        string `json:"name,omitempty"`
	Hint        string `json:"hint,omitempty"`
	Environment string `json:"environment,omitempty"`
	ExpiresAt   string `json:"expires_at,omitempty"`
	Actor       string `json:"actor"`
	Note        string `json:"note,omitempty"`
}

// redacted returns a text that people wrote, without the keys, or large parts of
// keys, that they pasted into it, as in "found mt_live_… in a public repository".
func (s *server) redacted(text string) string {
	return s.gate.Redact(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")) // else Postgres would not take it
}

// eventID returns the same id for the same event, however often it is found. The
// id sorts by the time at; the rest of it is a digest of what happened.
func eventID(at time.Time, what ...string) string {
	const stamp = len("evt_") + 10 // 10 characters of 5 bits hold the 48 of the time
	sum := sha256.Sum256([]byte(strings.Join(what, "\x00")))
	return keyfmt.NewID("evt_", at)[:stamp] + base32.HexEncoding.EncodeToString(sum[:10])
}

// warnAhead is how long before its end a key's account hears of it.
const warnAhead = 7 * 24 * time.Hour

// warnOfExpiry tells of keys that will expire, now and every hour, until ctx ends.
func (s *server) warnOfExpiry(ctx context.Context) error {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		if err := s.warn(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "expiring keys not looked for", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hourly.C:
		}
	}
}

// warn tells of every key once, and again if its expiry has been moved.
func (s *server) warn(ctx context.Context) error {
	for after := ""; ; {
		accounts, err := s.Accounts().List(ctx, after, 100)
		if err != nil || len(accounts) == 0 {
			return err
		}
		for _, a := range accounts {
			now := s.now()
			keys, err := s.KeyAdmin().Expiring(ctx, a.ID, now, now.Add(warnAhead), keyQuota)
			if err != nil {
				return err
			}
			for _, k := range keys {
				if err := ctx.Err(); err != nil {
					return err
				}
				ends := k.Expires.Format(time.RFC3339Nano)
				s.note(ctx, store.Event{
					ID:      eventID(later(k.Created, k.Expires.Add(-warnAhead)), "key.expiring", k.ID, ends),
					Account: a.ID, Actor: "server", Kind: "key.expiring", Subject: k.ID, Note: "expires " + k.Expires.Format(time.RFC3339),
				})
			}
			after = a.ID
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
