package sqlitestore

import (
	"context"
	"database/sql"
	"time"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	dropInvitation   = `DELETE FROM invitations WHERE account = ? AND email = ?`
	insertInvitation = `INSERT INTO invitations (` + sqlkit.InvitationColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	getInvitation    = `SELECT ` + sqlkit.InvitationColumns + ` FROM invitations i WHERE i.account = ? AND i.id = ?`
	listInvitations  = `SELECT ` + sqlkit.InvitationColumns + ` FROM invitations i WHERE i.account = ? AND i.id > ? ORDER BY i.id LIMIT ?`
	removeInvitation = `DELETE FROM invitations WHERE account = ? AND id = ?`
	pruneInvitations = `DELETE FROM invitations WHERE id IN (SELECT id FROM invitations WHERE expires < ?1 ORDER BY expires LIMIT ?2)`
)

type invitations struct{ s *Store }

func (v invitations) Put(ctx context.Context, i store.Invitation) error {
	return v.s.change(ctx, "put invitation", func(tx *sql.Tx) error {
		values, err := columns.InvitationValues(i)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, dropInvitation, i.Account, i.Email); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, insertInvitation, values...)
		return err
	})
}

func (v invitations) Get(ctx context.Context, account, id string) (store.Invitation, error) {
	return one("get invitation", v.s.read.QueryRowContext(ctx, getInvitation, account, id), columns.Invitation)
}

func (v invitations) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Invitation, error) {
	rows, err := v.s.read.QueryContext(ctx, listInvitations, account, after, limit)
	return many("list invitations", rows, err, columns.Invitation)
}

func (v invitations) Remove(ctx context.Context, account, id string) error {
	return v.s.change(ctx, "remove invitation", func(tx *sql.Tx) error {
		return some(tx.ExecContext(ctx, removeInvitation, account, id))
	})
}

func (v invitations) Accept(ctx context.Context, account, id, user string, now time.Time) (m store.Membership, err error) {
	err = v.s.change(ctx, "accept invitation", func(tx *sql.Tx) error {
		var i store.Invitation
		if err := tx.QueryRowContext(ctx, getInvitation, account, id).Scan(columns.Invitation(&i)...); err != nil {
			return err
		}
		if i.Expired(now) {
			return store.ErrNotFound
		}
		m = i.Membership(user, now.UTC().Truncate(time.Microsecond))
		values, err := columns.MembershipValues(m)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, joinMember, values...); err != nil {
			return err
		}
		return some(tx.ExecContext(ctx, removeInvitation, account, id))
	})
	if err != nil {
		return store.Membership{}, err
	}
	return m, nil
}

func (v invitations) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.count(ctx, "prune invitations", pruneInvitations, micros(before), most)
}
