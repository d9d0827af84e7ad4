package portal

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// recentKeys tells how many of a person's keys were made lately: each may be one that a
// thief has made with a stolen session, so it is shown after a change of the password.
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

var errRecentDays = wire.Invalid("invalid_field", "revoke_keys_days must be a number from 1 to 365; leave it out to revoke no keys.")

const passwordChanged = "password changed"

// recentKeys counts the keys that a person has made lately, in every account that they
// belong to, and revokes them if revoke is not nil: then it says how many days count. Check
// that it is 1 to maxRecentDays (errRecentDays). The password has been changed already;
// what fails here does not undo that.
func (p *portal) recentKeys(r *http.Request, user string, revoke *int, now time.Time) *recentKeys {
	ctx, cancel := detached(r.Context())
	defer cancel()
	found := &recentKeys{Days: recentDays}
	if revoke != nil {
		found.Days = *revoke
	}
	members, err := p.of.Store.Memberships().OfUser(ctx, user)
	for _, m := range members {
		if err == nil {
			err = p.recentIn(ctx, r, m, revoke != nil, found, now)
		}
	}
	if err != nil {
		found.Incomplete = true
		p.of.Logger.LogAttrs(ctx, slog.LevelError, "password changed, but not all recent keys were counted or revoked", slog.String("user", user),
			slog.String("request_id", problem.RequestID(r.Context())), slog.Any("err", err))
	}
	return found
}

// recentIn is recentKeys in one account, with the rights that the person has there.
func (p *portal) recentIn(ctx context.Context, r *http.Request, m store.Membership, revoke bool, found *recentKeys, now time.Time) error {
	by := &authn.Principal{
		Kind: authn.KindSession, Account: m.Account, User: m.User,
		Rights: p.gate.Model().Rights(authz.Active, p.of.Roles(m)),
	}
	since := now.AddDate(0, 0, -found.Days)
	for after := ""; ; {
		keys, err := p.gate.Keys().List(ctx, by, after, 200)
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
			if err := p.gate.Keys().Revoke(ctx, by, key.ID, passwordChanged, now); err != nil {
				return err
			}
			found.Revoked++
			p.recordIn(r, m.Account, "key.revoked", key.ID, passwordChanged)
		}
	}
}
