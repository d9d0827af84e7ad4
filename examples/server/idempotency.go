package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

var (
	errIdempotencyKey    = invalid(http.StatusBadRequest, "invalid_idempotency_key", "Idempotency-Key must be 1 to 255 printable ASCII characters.")
	errIdempotencyReused = invalid(http.StatusUnprocessableEntity, "idempotency_key_reused", "This Idempotency-Key was sent with another request before: choose a new one.")
)

// callOf reads the Idempotency-Key of a request, which a client sends again if the
// answer is lost. Without a key it returns the zero Call. Only digests of the key
// and of the request are kept, since clients may put a secret into a header.
func callOf(r *http.Request, body any) (c apikey.Call, err error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return c, nil
	}
	if len(values) > 1 || len(values[0]) < 1 || len(values[0]) > 255 {
		return c, errIdempotencyKey
	}
	for _, b := range []byte(values[0]) {
		if b < ' ' || b > '~' {
			return c, errIdempotencyKey
		}
	}
	sum := sha256.Sum256([]byte(values[0]))
	c.ID = hex.EncodeToString(sum[:])
	text, err := json.Marshal([]any{r.Method, r.URL.Path, body}) // whose call it is, the library tells
	c.Request = sha256.Sum256(text)
	return c, err
}

// revealKey answers 201 with a new key, this once. If an earlier call made the
// key, the answer is 200 without it: a caller who has lost it makes another.
func (s *keyRoutes) revealKey(w http.ResponseWriter, r *http.Request, key store.Key, token keyfmt.Token, err error) {
	if errors.Is(err, apikey.ErrReused) {
		err = errIdempotencyReused
	}
	if err != nil {
		s.fail(w, r, quotaReached(err))
		return
	}
	v, status := s.show(key), http.StatusCreated
	if v.Key = token.Reveal(); token.IsZero() {
		v.SecretShown, status = true, http.StatusOK
	}
	s.reveal(w, r, status, v)
}
