package secretscan

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"medtwin.ai/tollgate/problem"
)

// A refusal is an error that the sender is told. Sending the same report again
// gets the same refusal, unless the status is 503.
type refusal struct {
	status int
	code   string
	detail string
}

func (r *refusal) Error() string { return "secretscan: " + r.detail }

var (
	errUnsigned  = &refusal{http.StatusForbidden, "missing_signature", "A leak report is signed."}
	errSignature = &refusal{http.StatusForbidden, "invalid_signature", "The signature of the leak report does not verify."}
	errInvalid   = &refusal{http.StatusBadRequest, "invalid_json", "The body is not a leak report."}
	errTooLarge  = &refusal{http.StatusRequestEntityTooLarge, "body_too_large", "The leak report is too large: send it in parts."}
	errLate      = &refusal{http.StatusRequestTimeout, "body_too_late", "The body did not arrive in time."}
	errFull      = &refusal{http.StatusServiceUnavailable, "unavailable", "There is no room for the leak report: send it again."}
)

var (
	errLater  = errors.New("secretscan: Run will handle the report")
	errSource = errors.New("secretscan: the public keys cannot be had")
)

// refuse answers with what err means: anything but a refusal is an outage.
func (rc *Receiver) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.Problem{Status: http.StatusServiceUnavailable, Cause: err}
	var why *refusal
	if errors.As(err, &why) {
		p = problem.Problem{Status: why.status, Code: why.code, Detail: why.detail, Cause: err}
	} else {
		// Anybody can send reports, and an outage fails each.
		rc.failures.Write(r.Context(), rc.now(), slog.LevelError, "leak report not taken",
			slog.String("request_id", problem.RequestID(r.Context())), slog.Any("err", err))
	}
	if p.Status == http.StatusServiceUnavailable {
		p.Retry = 30 * time.Second
	}
	rc.errors(w, r, p)
}
