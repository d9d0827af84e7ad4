package pgstore

import (
	"context"
	"time"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	// An invitation that the account has for the same address becomes this one.
	putInvitation = `INSERT INTO tollgate.invitations (` + sqlkit.InvitationColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6::json, $7, $8, $9)
		ON CONFLICT (account, email) DO UPDATE SET id = excluded.id, name = excluded.name, role = excluded.role, scope = excluded.scope,
		made_by = excluded.made_by, created = excluded.created, expires = excluded.expires`
	getInvitation    = `SELECT ` + sqlkit.InvitationColumns + ` FROM tollgate.invitations i WHERE i.account = $1 AND i.id = $2`
	listInvitations  = `SELECT ` + sqlkit.InvitationColumns + ` FROM tollgate.invitations i WHERE i.account = $1 AND i.id > $2 ORDER BY i.id LIMIT $3`
	removeInvitation = `DELETE FROM tollgate.invitations WHERE account = $1 AND id = $2`
	takeInvitation   = `DELETE FROM tollgate.invitations i WHERE i.account = $1 AND i.id = $2 AND (i.expires IS NULL OR i.expires > $3)
		RETURNING ` + sqlkit.InvitationColumns
	pruneInvitations = `DELETE FROM tollgate.invitations
		WHERE id IN (SELECT id FROM tollgate.invitations WHERE expires < $1 ORDER BY expires LIMIT $2)`
)

type invitations struct{ s *Store }

func (v invitations) Put(ctx context.Context, i store.Invitation) error {
	values, err := columns.InvitationValues(i)
	if err != nil {
		return answer("put invitation", err)
	}
	return v.s.set(ctx, "put invitation", putInvitation, values...)
}

func (v invitations) Get(ctx context.Context, account, id string) (store.Invitation, error) {
	return one(ctx, v.s, "get invitation", columns.Invitation, getInvitation, account, id)
}

func (v invitations) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Invitation, error) {
	return many(ctx, v.s, "list invitations", columns.Invitation, listInvitations, account, after, limit)
}

func (v invitations) Remove(ctx context.Context, account, id string) error {
	return v.s.set(ctx, "remove invitation", removeInvitation, account, id)
}

// Accept deletes the invitation first. A second call at the same time waits until the
// first has ended, and then finds no invitation.
func (v invitations) Accept(ctx context.Context, account, id, user string, now time.Time) (m store.Membership, err error) {
	err = v.s.change(ctx, "accept invitation", func(tx conn) error {
		var i store.Invitation
		if err := tx.row(ctx, takeInvitation, account, id, when(now)).Scan(record(columns.Invitation(&i))); err != nil {
			return err
		}
		m = i.Membership(user, now.UTC().Truncate(time.Microsecond))
		values, err := columns.MembershipValues(m)
		if err != nil {
			return err
		}
		return some(tx.exec(ctx, joinMember, values...))
	})
	if err != nil {
		return store.Membership{}, err
	}
	return m, nil
}

func (v invitations) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.prune(ctx, "prune invitations", pruneInvitations, before, most)
}
