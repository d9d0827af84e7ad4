package portal

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

const (
	warnAhead = 7 * 24 * time.Hour // how long before its end people hear of a key
	warnEvery = time.Hour
)

// warnings tell of keys that will expire.
type warnings struct{ *portal }

// run tells of keys that will expire, now and every hour, until ctx ends. Every
// process of a fleet does so; each key is told of once.
func (w *warnings) run(ctx context.Context) error {
	hourly := time.NewTicker(warnEvery)
	defer hourly.Stop()
	for {
		if err := w.warn(ctx); err != nil && ctx.Err() == nil {
			w.of.Logger.LogAttrs(ctx, slog.LevelError, "not all expiring keys were told of; the next attempt is in an hour", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hourly.C:
		}
	}
}

// warn tells of every key that is about to expire. It returns the first error; a key that
// could not be told of does not keep it from the others.
func (w *warnings) warn(ctx context.Context) (failed error) {
	for after := ""; ; {
		accounts, err := w.of.Store.Accounts().List(ctx, after, 100)
		if err != nil || len(accounts) == 0 {
			return cmp.Or(failed, err)
		}
		for _, account := range accounts {
			now := w.of.Now()
			keys, err := w.of.Store.KeyAdmin().Expiring(ctx, account.ID, now, now.Add(warnAhead), w.of.MaxKeys)
			if err != nil {
				return cmp.Or(failed, err)
			}
			for _, key := range keys {
				if err := w.warnOf(ctx, key, now); err != nil && failed == nil {
					failed = err
				}
			}
			after = account.ID
		}
	}
}

// warnOf tells of one key, once, and again if its expiry has been moved: the id of the
// event is made of both. The process that stores the event sends the mail. A process
// that dies in between is the reason to record an event that is stored already.
func (w *warnings) warnOf(ctx context.Context, k store.Key, now time.Time) error {
	e := store.Event{
		ID: eventID(later(k.Created, k.Expires.Add(-warnAhead)), "key.expiring", k.ID, k.Expires.Format(time.RFC3339Nano)),
		At: now.UTC().Truncate(time.Microsecond), Account: k.Account, Actor: "server", Kind: "key.expiring", Subject: k.ID,
		Note: "expires " + k.Expires.Format(time.RFC3339),
	}
	err := w.of.Store.Events().Append(ctx, e)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	first := err == nil
	if err := w.gate.Record(ctx, e); err != nil || !first || w.Mail == nil {
		return err
	}
	addresses, err := w.addressesOf(ctx, k)
	for _, to := range addresses {
		w.send(Mail{
			To:      to,
			Subject: fmt.Sprintf("The API key %q expires on %s", k.Name, k.Expires.UTC().Format("2 January 2006")),
			Text: fmt.Sprintf("The API key %q (%s) of the account %s expires at %s. From then on requests with it are refused.\n\n"+
				"If the key has been rotated, clients that still use it need its successor by then. Else rotate the key, or give it a later expiry.\n",
				k.Name, k.Hint, k.Account, k.Expires.UTC().Format(time.RFC3339)),
		})
	}
	return err
}

// addressesOf returns who is mailed about a key: its owner, or for a key of the account
// its maker if they are still a member, else the owners of the account.
func (w *warnings) addressesOf(ctx context.Context, k store.Key) ([]string, error) {
	m, err := w.of.Store.Memberships().Get(ctx, k.Account, cmp.Or(k.Owner, k.CreatedBy))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var found []string
	if err == nil {
		if found, err = w.addressOf(ctx, m, nil); err != nil {
			return nil, err
		}
	}
	if k.Owner != "" || len(found) > 0 || len(w.of.RoleNames) == 0 {
		return found, nil
	}
	for after := ""; ; {
		members, err := w.of.Store.Memberships().OfAccount(ctx, k.Account, after, 100)
		if err != nil || len(members) == 0 {
			return found, err
		}
		for _, m := range members {
			after = m.User
			if m.Role != w.of.RoleNames[0] {
				continue
			}
			if found, err = w.addressOf(ctx, m, found); err != nil {
				return found, err
			}
		}
	}
}

// addressOf adds the address of a member to a list, if they have one and may log in.
func (w *warnings) addressOf(ctx context.Context, m store.Membership, list []string) ([]string, error) {
	user, err := w.of.Store.Users().Get(ctx, m.User)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return list, nil
	case err != nil:
		return list, err
	case user.Email != "" && user.Status == authz.Active:
		list = append(list, user.Email)
	}
	return list, nil
}

// eventID returns the same id for the same event, however often it is found. The id sorts
// by the time at, like every id; the rest of it is a digest of what happened.
func eventID(at time.Time, what ...string) string {
	const stamp = len("evt_") + 10 // 10 characters of 5 bits hold the 48 of the time
	sum := sha256.Sum256([]byte(strings.Join(what, "\x00")))
	return keyfmt.NewID("evt_", at)[:stamp] + base32.HexEncoding.EncodeToString(sum[:10])
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
