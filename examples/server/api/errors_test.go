package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// Bodies of causes that the documents do not list.
const (
	revokedKey   = `{"error":{"code":"REVOKED","message":"The API key has been revoked or disabled."}}`
	endedSession = `{"error":{"code":"REVOKED","message":"The session has ended: log in again."}}`
	badSession   = `{"error":{"code":"UNAUTHORIZED","message":"The session is not valid: log in again."}}`
	loginFailed  = `{"error":{"code":"LOGIN_FAILED","message":"The email address or the password is wrong: check both, or ask for a reset."}}`
)

func denial(code string) problem.Problem {
	return authz.Problem(&authz.DeniedError{
		Decision: authz.Decision{Code: code, Layer: "credential", Recent: time.Hour}, Permission: "write",
	})
}

// Every cause that the library or this server refuses with, in the three forms.
// Documented causes have the documented bytes, and no other has them.
func TestErrorForms(t *testing.T) {
	const quotaType = "https://iana.org/assignments/http-problem-types#quota-exceeded"
	key, session, cookie := "Bearer mt_live_x", "Session sess_x", tollgate.SessionCookie+"=sess_x"
	for _, c := range []struct {
		name       string
		p          problem.Problem
		credential string // as Authorization, or as Cookie
		documented bool
		flat       string // code, sentence
		message    string
		status     int
		rfc        string // of the form of RFC 9457: the members but for status, title and request_id
	}{
		// documented
		{"no credential", authn.Problem(authn.ErrMissing), "", true, "unauthorized", "Invalid or missing API key", 401,
			`"detail":"No credential was sent: send the header Authorization: Bearer, and then the key or token.","code":"unauthorized"`},
		{"invalid key", authn.Problem(authn.ErrRejected), key, true, "unauthorized", "Invalid or missing API key", 401,
			`"detail":"The credential is not valid: send it whole, in Authorization: Bearer and then the key or token.","code":"unauthorized"`},
		{"expired key", authn.Problem(authn.ErrExpired), key, true, "unauthorized", "Invalid or missing API key", 401,
			`"detail":"The credential has expired: use its successor, make a new one, or log in again.","code":"expired"`},
		{"missing permission", denial("missing_permission"), key, true, "forbidden", "", 403,
			`"detail":"The caller does not hold the permission that this route requires: ask for a key or a role with it.","code":"missing_permission"`},
		{"endpoint", denial("endpoint_not_allowed"), key, true, "forbidden", "", 403,
			`"detail":"The caller is restricted to other endpoints: ask for a key that may call this one.","code":"endpoint_not_allowed"`},
		{"out of scope", denial("out_of_scope"), key, true, "forbidden", "", 403,
			`"detail":"The caller's scope does not include this resource: ask for a key that includes it.","code":"out_of_scope"`},
		{"account suspended", denial("account_suspended"), key, true, "forbidden", "", 403,
			`"detail":"The account is suspended: ask those who run the service.","code":"account_suspended"`},
		{"over the limit", problem.Problem{Status: 429, Type: quotaType, Retry: 30 * time.Second, Violated: []string{"minute"}}, key, true,
			"rate_limit_exceeded", "Too many requests. Retry after 30 seconds.", 429,
			`"detail":"Too many requests: wait for the seconds that Retry-After names.","code":"rate_limit_exceeded"`},

		// of the library
		{"invalid session", authn.Problem(authn.ErrRejected), session, false, "unauthorized", "The session is not valid: log in again.", 401,
			`"detail":"The credential is not valid: send it whole, in Authorization: Bearer and then the key or token.","code":"unauthorized"`},
		{"expired session", authn.Problem(authn.ErrExpired), cookie, false, "expired", "The session has expired: log in again.", 401,
			`"detail":"The credential has expired: use its successor, make a new one, or log in again.","code":"expired"`},
		{"revoked key", authn.Problem(authn.ErrRevoked), key, false, "revoked", "The API key has been revoked or disabled.", 401,
			`"detail":"The credential has been revoked or disabled: use another one.","code":"revoked"`},
		{"ended session", authn.Problem(authn.ErrRevoked), "Bearer sess_x", false, "revoked", "The session has ended: log in again.", 401,
			`"detail":"The credential has been revoked or disabled: use another one.","code":"revoked"`},
		{"two credentials", authn.Problem(authn.ErrAmbiguous), key, false, "ambiguous_credentials", "Send one Authorization header.", 400, ""},
		{"cross origin", authn.Problem(authn.ErrCrossOrigin), cookie, false, "cross_origin",
			"A page of another origin may not do this with the user's cookie: use the application's own page.", 403, ""},
		{"address", authn.Problem(authn.ErrAddress), key, false, "address_not_allowed",
			"The credential may not be used from this address: use it from one that it is for, or ask for a key that is for this one.", 403, ""},
		{"another environment", authn.Problem(authn.ErrEnvironment), session, false, "environment_not_allowed",
			"The credential may not be used in the environment that X-Environment names: use a key for it, or leave the header out.", 403, ""},
		{"too many failures", authn.Problem(&authn.ThrottledError{Retry: time.Minute}), key, false, "too_many_failures",
			"Too many failed attempts. Retry after 60 seconds.", 429, `"detail":"Too many failed authentications.","code":"too_many_failures"`},
		{"store down", authn.Problem(authn.ErrUnavailable), key, false, "unavailable", "Credentials cannot be verified at the moment.", 503, ""},
		{"environment", denial("environment_not_allowed"), key, false, "environment_not_allowed",
			"The caller may not act in this environment: use a key for it.", 403, ""},
		{"read-only account", denial("account_read_only"), key, false, "account_read_only",
			"The account may look but not change anything: ask those who run the service.", 403, ""},
		{"login too old", denial("insufficient_user_authentication"), session, false, "insufficient_user_authentication",
			"This asks for a more recent proof of identity: log in again.", 401, ""},
		{"a key where a login is asked for", denial("insufficient_user_authentication"), key, false, "insufficient_user_authentication",
			"This asks for a recent login: an API key cannot do it.", 401,
			`"detail":"This asks for a more recent proof of identity: log in again.","code":"insufficient_user_authentication"`},
		{"more than the caller has", denial("scope_exceeds_caller"), session, false, "scope_exceeds_caller",
			"The caller cannot hand out more than the caller may do.", 403, ""},
		{"hidden", authz.Problem(&authz.DeniedError{Decision: authz.Decision{Code: "out_of_scope", HideDenial: true}}), key, false,
			"not_found", "No such resource: check the path and the id.", 404, ""},
		{"a cause that nobody knows", authz.Problem(errors.New("secret")), key, false,
			"internal_error", "Something went wrong on our side.", 500, ""},
		{"cost above the quota", problem.Problem{Status: 429, Code: "cost_exceeds_quota", Type: quotaType, Detail: "It can never pass."}, key, false,
			"cost_exceeds_quota", "It can never pass.", 429, ""},
		{"method", problem.Problem{Status: 405}, key, false, "method_not_allowed", "This resource does not support that method: the header Allow lists those that it does.", 405, ""},
		{"limiter down", problem.Problem{Status: 503, Retry: time.Second}, key, false, "unavailable", "The service is temporarily unavailable.", 503, ""},

		// of this server
		{"wrong password", problem.Problem{Status: 401, Code: "login_failed", Detail: "It is wrong."}, "", false, "login_failed", "It is wrong.", 401, ""},
		{"conflict", problem.Problem{Status: 409, Detail: "It is not what it was."}, session, false, "conflict", "It is not what it was.", 409, ""},
		{"quota of keys", problem.Problem{Status: 409, Code: "quota_reached", Detail: "Revoke one first."}, session, false,
			"quota_reached", "Revoke one first.", 409, ""},
		{"forbidden for another reason", problem.Problem{Status: 403}, key, false, "forbidden", "The caller may not do this.", 403, ""},
	} {
		for _, form := range []string{"flat", "nested", "rfc9457"} {
			t.Run(c.name+", "+form, func(t *testing.T) {
				r := problem.Identify(httptest.NewRequest("GET", "/v1/projects", nil))
				switch {
				case c.credential == cookie:
					r.Header.Set("Cookie", c.credential)
				case c.credential != "":
					r.Header.Set("Authorization", c.credential)
				}
				retry := ""
				if n := c.p.RetrySeconds(); n > 0 {
					retry = fmt.Sprintf(`,"retry_after":%d`, n)
				}
				media, want := "application/json", ""
				switch form {
				case "flat":
					r.URL.Path = "/v1/artifacts/report"
					message := c.message
					if c.flat == "forbidden" && c.documented {
						message = "API key does not have permission for this resource"
					}
					want = fmt.Sprintf(`{"error":%q,"message":%q%s}`, c.flat, message, retry)
				case "nested":
					message := c.message
					if c.flat == "forbidden" && c.documented {
						message = "API key does not have required permissions"
					}
					want = fmt.Sprintf(`{"error":{"code":%q,"message":%q%s}}`, strings.ToUpper(c.flat), message, retry)
				default:
					r.Header.Set("Accept", "application/problem+json")
					media, want = "application/problem+json", "{"
					if c.p.Type != "" {
						want += fmt.Sprintf(`"type":%q,`, c.p.Type)
					}
					members := c.rfc
					if members == "" {
						members = fmt.Sprintf(`"detail":%q,"code":%q`, c.message, c.flat)
					}
					want += fmt.Sprintf(`"title":%q,"status":%d,%s,"request_id":%q%s`,
						http.StatusText(c.status), c.status, members, problem.RequestID(r.Context()), retry)
					if c.p.Permission != "" {
						want += fmt.Sprintf(`,"required_permission":%q`, c.p.Permission)
					}
					if c.p.Violated != nil {
						want += `,"violated-policies":["minute"]`
					}
					want += "}"
				}
				w := httptest.NewRecorder()
				writeProblem(w, r, c.p)
				if w.Code != c.status || w.Body.String() != want || w.Header().Get("Content-Type") != media {
					t.Errorf("got  %d %s %s\nwant %d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body, c.status, media, want)
				}
				if got := w.Header().Get("X-Request-Id"); got != problem.RequestID(r.Context()) {
					t.Errorf("X-Request-Id %q", got)
				}
				if has := w.Header().Get("WWW-Authenticate") != ""; has != (c.status == 401) {
					t.Errorf("WWW-Authenticate %q at %d", w.Header().Get("WWW-Authenticate"), c.status)
				}
				for _, sentence := range []string{
					"Invalid or missing API key", "API key does not have permission for this resource",
					"API key does not have required permissions", "Too many requests. Retry after",
				} {
					if !c.documented && strings.Contains(w.Body.String(), sentence) {
						t.Errorf("a documented sentence for a cause that is not: %s", w.Body)
					}
				}
			})
		}
	}
}

func TestFlatRoutes(t *testing.T) {
	for _, tt := range []struct {
		path string
		want bool
	}{
		{"/v1/rubrics", true}, {"/v1/rubrics/rub_1", true}, {"/v1/artifacts", true}, {"/v1/artifacts/report/art_1", true},
		{"/v1/rubricsx", false}, {"/v1/projects", false}, {"/", false}, {"", false}, {"/v1", false}, {"/v1/auth/login", false},
	} {
		if got := flatRoute(tt.path); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.path, got, tt.want)
		}
	}
}

// A handler that called problem.Write would answer in another form than is
// documented.
func TestOneWriter(t *testing.T) {
	for _, pattern := range []string{"*.go", "../database/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, name := range files {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if name != "errors.go" && !strings.HasSuffix(name, "_test.go") && strings.Contains(string(source), "problem.Write(") {
				t.Errorf("%s calls problem.Write: call writeProblem, or take a problem.Writer", name)
			}
		}
	}
}

// case S27: the scheme is a session's in any case of ASCII, and in no other.
func TestSentSession(t *testing.T) {
	for _, tt := range []struct {
		authorization string
		want          bool
	}{
		{"Session x", true},
		{"SESSION x", true},
		{"Bearer sess_x", true},
		{"Bearer x", false},
		{"Sess\u0130on x", false}, // which strings.ToLower makes an i of
		{"\u017fession x", false}, // which strings.EqualFold takes for an s
	} {
		t.Run(tt.authorization, func(t *testing.T) {
			r := &http.Request{Header: http.Header{"Authorization": {tt.authorization}}}
			if got := sentSession(r); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
