package login

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/problem"
)

// note logs why an attempt has failed, if it has, and by which client. User is the id of
// the user in question, "" if there is none or none was looked up. It does not log what
// was typed: people type their password where their email address belongs.
func (m *Manager) note(ctx context.Context, text, user string, from netip.Addr, err error, now time.Time) {
	if err == nil {
		return
	}
	client := ""
	if from.IsValid() {
		client = from.String()
	}
	m.failed.Write(ctx, now, slog.LevelInfo, text,
		slog.Any("err", err), slog.String("request_id", problem.RequestID(ctx)), slog.String("client", client), slog.String("user", user))
}
