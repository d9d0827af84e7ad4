package authn

import (
	"log/slog"
	"net/http"
	"time"

	"medtwin.ai/tollgate/problem"
)

// note logs that a request was refused, or that its credential could not be
// verified. Refusals and outages have rate limits of their own, so that a flood
// of refusals cannot hide an outage.
//
// The line has the client by Config.ClientAddr. It also has the peer of the
// connection as "remote", which behind a proxy is the proxy. It has no part of
// the credential: a mistyped key is almost a key.
func (m *Middleware) note(r *http.Request, err error, now time.Time) {
	l, level, text := &m.refused, slog.LevelInfo, "request refused"
	if _, throttled := err.(*ThrottledError); !throttled && !callersFault(err) {
		l, level, text = &m.failed, slog.LevelError, "credential not verified"
	}
	if !l.Logger.Enabled(r.Context(), level) {
		return
	}
	client := ""
	if a := m.config.ClientAddr(r); a.IsValid() {
		client = a.String()
	}
	p := Problem(err)
	l.Write(r.Context(), now, level, text,
		slog.Any("err", err), slog.String("request_id", problem.RequestID(r.Context())), slog.Int("status", p.Status), slog.String("code", p.Code),
		slog.String("client", client), slog.String("remote", r.RemoteAddr), slog.String("pattern", r.Pattern))
}
