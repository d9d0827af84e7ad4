package login_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/ratelimit"
)

// The limits that are usual: 20 failures of an address and 5 of a source or of
// a known device in 15 minutes, 100 of an account in an hour.
func ExampleLimits() {
	atMost := func(quota int64, window time.Duration) *ratelimit.Failures {
		plan, err := ratelimit.NewPlan("logins", ratelimit.Limit{Name: "window", Quota: quota, Window: window})
		if err != nil {
			panic(err)
		}
		f, err := ratelimit.NewFailures(nil, plan) // or a store that all processes share
		if err != nil {
			panic(err)
		}
		return f
	}
	const quarter = 15 * time.Minute
	limits := login.Limits{
		Address: atMost(20, quarter),
		Source:  atMost(5, quarter),
		Account: atMost(100, time.Hour),
		Device:  atMost(5, quarter),
	}
	fmt.Println(limits.Source.Peek("somebody", time.Now()))
	// Output: 5 0s
}

// A handler for logins of browsers, and what every outcome is answered with. As
// it sets a cookie, it too must be asked by a page of this origin.
func ExampleManager_Login() {
	var logins *login.Manager // from login.New
	var origin http.CrossOriginProtection
	handler := func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		a := login.Attempt{Email: r.PostFormValue("email"), Password: r.PostFormValue("password"), Cookie: true}
		if c, err := r.Cookie("__Host-device"); err == nil {
			a.Device = c.Value
		}
		s, err := logins.Login(r.Context(), a, now)
		var throttled *authn.ThrottledError
		var busy *password.BusyError
		status := http.StatusServiceUnavailable
		switch {
		case err == nil:
			status = http.StatusNoContent
			http.SetCookie(w, session.Cookie("__Host-sess", s.Token, s.Session, now))
			http.SetCookie(w, logins.DeviceCookie("__Host-device", s.Device, now))
		case errors.Is(err, login.ErrFailed):
			status = http.StatusUnauthorized
		case errors.Is(err, login.ErrSuspended), errors.Is(err, login.ErrAccount):
			status = http.StatusForbidden
		case errors.As(err, &throttled):
			status = http.StatusTooManyRequests
			w.Header().Set("Retry-After", fmt.Sprintf("%.0f", math.Ceil(throttled.Retry.Seconds())))
		case errors.As(err, &busy):
			w.Header().Set("Retry-After", fmt.Sprintf("%.0f", math.Ceil(busy.Retry.Seconds())))
		}
		w.WriteHeader(status)
	}
	http.Handle("POST /login", origin.Handler(http.HandlerFunc(handler)))
}
