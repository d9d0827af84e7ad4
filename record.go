package tollgate

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
)

// recordTimeout limits the storing of one event. It has an end so that a database that
// hangs keeps no request waiting for ever.
const recordTimeout = 4 * time.Second

// Record stores an event in the audit log and tells Config.OnEvent. An event without
// an ID or time gets both; keys and tokens in its note are shortened. It is stored even
// if the client that caused it has hung up. The log holds the whole event if it cannot
// be stored; callers that can repeat the call look at the error.
//
// An event whose ID is stored already is not stored again, but Config.OnEvent hears of
// it once more: a process that died between the two can repeat the call.
func (g *Gate) Record(ctx context.Context, e store.Event) error {
	if e.At.IsZero() {
		e.At = g.config.Now().UTC().Truncate(time.Microsecond)
	}
	if e.ID == "" {
		e.ID = keyfmt.NewID("evt_", e.At)
	}
	e.Note = g.Redact(strings.ToValidUTF8(strings.ReplaceAll(e.Note, "\x00", ""), "")) // what every backend can hold
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	err := g.config.Store.Events().Append(storing, e)
	if errors.Is(err, store.ErrConflict) {
		err = nil
	}
	if err == nil && g.config.OnEvent != nil {
		err = g.config.OnEvent(storing, e)
	}
	if err != nil {
		g.config.Logger.LogAttrs(ctx, slog.LevelError, "event not recorded", slog.Any("err", err), slog.String("request_id", problem.RequestID(ctx)),
			slog.String("id", e.ID), slog.String("account", e.Account), slog.String("actor", e.Actor), slog.String("kind", e.Kind),
			slog.String("subject", e.Subject), slog.String("address", e.Address), slog.Time("at", e.At), slog.String("note", e.Note))
	}
	return err
}
