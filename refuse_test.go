package tollgate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// newGate returns a gate in memory.
func newGate(t *testing.T, change func(*tollgate.Config)) *tollgate.Gate {
	t.Helper()
	c := tollgate.Config{
		Store: must(memory.New(memory.Config{})), Secrets: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))), Prefix: "acme",
		Permissions: []string{"read", "write", "admin"}, ReadOnly: []string{"read"}, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	return must(tollgate.New(c))
}

// Handlers give Refuse whatever the library returned, wrapped or not.
func TestRefuse(t *testing.T) {
	gate := newGate(t, nil)
	tests := []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"problem", &problem.Problem{Status: 418, Code: "teapot", Detail: "Tea."}, 418, "teapot"},
		{"wrong password", login.ErrFailed, 401, "login_failed"},
		{"suspended user", login.ErrSuspended, 403, "account_suspended"},
		{"no member", login.ErrAccount, 403, "not_a_member"},
		{"token", login.ErrToken, 400, "invalid_token"},
		{"password missing", login.ErrPasswordRequired, 400, "password_required"},
		{"password not wanted", login.ErrPasswordNotWanted, 409, "password_not_wanted"},
		{"weak password", &password.PolicyError{Code: "too_short", Detail: "The password is short."}, 400, "password_too_short"},
		{"password that is none", password.ErrInvalid, 400, "invalid_request"},
		{"busy", &password.BusyError{Retry: time.Second}, 503, "busy"},
		{"too many failures", &authn.ThrottledError{Retry: time.Second}, 429, "too_many_failures"},
		{"idempotency key of another request", apikey.ErrReused, 422, "idempotency_key_reused"},
		{"quota", &apikey.QuotaError{Quota: 3}, 409, "quota_reached"},
		{"quota of a store", store.ErrQuota, 409, "quota_reached"},
		{"rotated before", &apikey.PredecessorError{Predecessor: "key_1"}, 409, "rotated_before"},
		{"not the owner", authn.ErrForbidden, 403, "owner_only"},
		{"a specification that cannot be granted", authn.ErrInvalid, 400, "invalid_request"},
		{"text that cannot be stored", store.ErrInvalid, 400, "invalid_request"},
		{"missing", store.ErrNotFound, 404, "not_found"},
		{"last owner", store.ErrLast, 409, "last_owner"},
		{"ended", store.ErrInactive, 409, "inactive"},
		{"changed", store.ErrConflict, 409, "conflict"},
		{"outage that a missing record caused", fmt.Errorf("%w: %w", authn.ErrUnavailable, store.ErrNotFound), 503, "unavailable"},
		{"unknown", errors.New("the disk is on fire"), 503, "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, err := range []error{tt.err, fmt.Errorf("handler: %w", tt.err)} {
				rec := httptest.NewRecorder()
				gate.Refuse(rec, httptest.NewRequest("POST", "/", nil), err)
				if code := fmt.Sprintf("%q:%q", "code", tt.code); rec.Code != tt.status || !strings.Contains(rec.Body.String(), code) {
					t.Errorf("%v: got %d %s, want %d and %s", err, rec.Code, rec.Body, tt.status, code)
				}
				if strings.Contains(rec.Body.String(), "fire") {
					t.Errorf("got %s, which shows the cause", rec.Body)
				}
				if tt.status == 429 || tt.status == 503 {
					if rec.Header().Get("Retry-After") == "" {
						t.Errorf("%v: got no Retry-After", err)
					}
				}
			}
		})
	}
}

// The request of a known caller that fails in an outage is an error in the log. It is
// none if the client has hung up.
func TestRefuseLogsOutages(t *testing.T) {
	var log bytes.Buffer
	gate := newGate(t, func(c *tollgate.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	for _, tt := range []struct {
		name  string
		gone  bool
		level string
	}{{"the client waits", false, "ERROR"}, {"the client has gone", true, "INFO"}} {
		t.Run(tt.name, func(t *testing.T) {
			log.Reset()
			ctx, cancel := context.WithCancel(authn.NewContext(t.Context(), authn.Principal{ID: "key_1", Account: "acme"}))
			if tt.gone {
				cancel()
			}
			defer cancel()
			rec := httptest.NewRecorder()
			gate.Refuse(rec, httptest.NewRequest("GET", "/", nil).WithContext(ctx), errors.New("the disk is on fire"))
			for _, want := range []string{`"level":"` + tt.level + `"`, "the disk is on fire", rec.Header().Get("X-Request-Id")} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("got %s, want %s in it", &log, want)
				}
			}
			if rec.Code != http.StatusServiceUnavailable {
				t.Errorf("got %d, want 503", rec.Code)
			}
		})
	}
}
