package login

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Purposes of signed text.
const (
	deviceToken     = "device token"
	invitationToken = "invitation token"
	resetToken      = "reset token"
)

// know returns the token of a device that the user has logged in from, which
// keeps its id (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
// It lets nobody in; it only selects a counter of its own for failures. It holds the
// epoch of the user, so ending their sessions also voids a stolen token.
func (m *Manager) know(device string, user store.User, now time.Time) string {
	return m.seal.sign(deviceToken, now.Add(m.config.Device),
		cmp.Or(device, keyfmt.NewID("dev_", now)), user.ID, strconv.FormatInt(user.Epoch, 10))
}

// known returns the id of a device that the user with that email has logged in
// from in the user's present epoch, else "". It reads the user only if the token
// is valid.
func (m *Manager) known(ctx context.Context, token, email string, now time.Time) (device string, err error) {
	fields, ok := m.seal.open(deviceToken, 3, token, now)
	if !ok {
		return "", nil
	}
	user, err := m.user(ctx, email)
	if err != nil || user.ID != fields[1] || strconv.FormatInt(user.Epoch, 10) != fields[2] {
		return "", err
	}
	return fields[0], nil
}

// DeviceCookie returns the cookie for a Success.Device, to be set at every
// login and change of password, and cleared at no log-out. Name it "__Host-…", as the session's.
func (m *Manager) DeviceCookie(name, device string, now time.Time) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: device, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Expires: now.Add(m.config.Device).UTC(), MaxAge: int(m.config.Device / time.Second),
	}
}
