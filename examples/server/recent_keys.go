package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// recentKeys tells how many of a person's keys were made lately: after a change
// of password each may be one that a thief has made with a stolen session.
type recentKeys struct {
	Days    int `json:"days"`    // how far back
	Made    int `json:"made"`    // that had not ended
	Revoked int `json:"revoked"` // of them, now
	// Incomplete: not all keys could be read or revoked. List and revoke them.
	Incomplete bool `json:"incomplete,omitempty"`
}

const (
	recentDays    = 30 // unless the request says another number
	maxRecentDays = 365
)

var errDays = invalid(http.StatusBadRequest, "invalid_field", "revoke_keys_days must be a number from 1 to 365; leave it out to revoke no keys.")

const passwordChanged = "password changed"

// recentKeys counts the keys that a person has made lately, in every account
// that they belong to, and revokes them where revoke says how many days count.
// The password has been changed: what fails here does not undo that.
func (s *server) recentKeys(r *http.Request, user string, revoke *int, now time.Time) *recentKeys {
	ctx, cancel := detached(r.Context(), handlerTimeout) // what begins here ends
	defer cancel()
	found := &recentKeys{Days: recentDays}
	if revoke != nil {
		found.Days = *revoke
	}
	members, err := s.Memberships().OfUser(ctx, user)
	for _, m := range members {
		if err == nil {
			err = s.recentIn(ctx, r, m, revoke != nil, found, now)
		}
	}
	if err != nil {
		found.Incomplete = true
		s.log.LogAttrs(ctx, slog.LevelError, "password changed, but not all recent keys were counted or revoked", slog.String("user", user),
			slog.String("request_id", problem.RequestID(r.Context())), slog.Any("err", err))
	}
	return found
}

// recentIn does so in one account, with the rights that the person has there.
func (s *server) recentIn(ctx context.Context, r *http.Request, m store.Membership, revoke bool, found *recentKeys, now time.Time) error {
	by := &authn.Principal{
		Kind: authn.KindSession, Account: m.Account, User: m.User,
		Rights: s.gate.Model().Rights(authz.Active, s.role(m)),
	}
	since := now.AddDate(0, 0, -found.Days)
	for after := ""; ; {
		keys, err := s.keys.List(ctx, by, after, 200)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			after = key.ID
			if key.Created.Before(since.AddDate(0, 0, -1)) { // ids sort by time, of clocks that differ a little
				return nil
			}
			if key.CreatedBy != m.User || key.Created.Before(since) || key.Ended(now) {
				continue
			}
			found.Made++
			if !revoke {
				continue
			}
			if err := s.keys.Revoke(ctx, by, key.ID, passwordChanged, now); err != nil {
				return err
			}
			found.Revoked++
			s.recordIn(r, m.Account, "key.revoked", key.ID, passwordChanged)
		}
	}
}
