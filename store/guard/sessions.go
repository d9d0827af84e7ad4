package guard

import (
	"cmp"
	"context"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Sessions guards s.
func Sessions(s store.Sessions) store.Sessions { return sessions{s} }

type sessions struct{ store.Sessions }

func (g sessions) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	if err := found(d.Pepper); err != nil {
		return store.Session{}, err
	}
	return g.Sessions.Find(ctx, d)
}

func (g sessions) Create(ctx context.Context, s store.Session) error {
	if err := valid(named(s.ID, s.User, s.Account, s.Digest.Pepper) && texts(s.Address, s.Agent)); err != nil {
		return err
	}
	return g.Sessions.Create(ctx, s)
}

func (g sessions) Touch(ctx context.Context, uses []store.Use) error {
	return g.Sessions.Touch(ctx, known(uses))
}

func (g sessions) Get(ctx context.Context, user, id string) (store.Session, error) {
	if err := found(user, id); err != nil {
		return store.Session{}, err
	}
	return g.Sessions.Get(ctx, user, id)
}

func (g sessions) List(ctx context.Context, user string) ([]store.Session, error) {
	if !named(user) {
		return nil, nil
	}
	return g.Sessions.List(ctx, user)
}

func (g sessions) Revoke(ctx context.Context, user, id string, now time.Time) error {
	if err := cmp.Or(found(user, id), timed(now)); err != nil {
		return err
	}
	return g.Sessions.Revoke(ctx, user, id, now)
}

func (g sessions) RevokeAll(ctx context.Context, user, but string, now time.Time) (int, error) {
	if err := timed(now); err != nil || !named(user) {
		return 0, err
	}
	if !named(but) {
		but = "" // which is as good a name of no session
	}
	return g.Sessions.RevokeAll(ctx, user, but, now)
}

func (g sessions) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	if most <= 0 {
		return 0, nil
	}
	return g.Sessions.Prune(ctx, before, most)
}

// Events guards e.
func Events(e store.Events) store.Events { return events{e} }

type events struct{ store.Events }

func (g events) Append(ctx context.Context, e store.Event) error {
	ok := named(e.ID, e.Account) && texts(e.Actor, e.Kind, e.Subject, e.Address, e.Note)
	if err := valid(ok); err != nil {
		return err
	}
	return g.Events.Append(ctx, e)
}

func (g events) List(ctx context.Context, account, after string, limit int) ([]store.Event, error) {
	if limit <= 0 || !named(account, after) {
		return nil, valid(named(after))
	}
	return g.Events.List(ctx, account, after, limit)
}

func (g events) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	if most <= 0 {
		return 0, nil
	}
	return g.Events.Prune(ctx, before, most)
}
