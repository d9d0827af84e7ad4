package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

var errIdempotencyKey = wire.Invalid("invalid_idempotency_key", "Idempotency-Key must be 1 to 255 printable ASCII characters.")

// callOf reads the Idempotency-Key of a request, with which a client sends the request
// again if the answer is lost. Without a key it returns the zero Call. Only digests of the
// key and of the request are kept, because clients may put a secret into a header.
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
	text, err := json.Marshal([]any{r.Method, r.URL.Path, body}) // package apikey adds whose call it is
	c.Request = sha256.Sum256(text)
	return c, err
}

// reveal answers 201 with a new key, this once.
func (k *keyRoutes) reveal(w http.ResponseWriter, key store.Key, token keyfmt.Token) error {
	v := k.show(key)
	v.Key = token.Reveal()
	return private(w, http.StatusCreated, v)
}

// replay answers 200 with a key that an earlier request made, without its secret: a
// caller who has lost that makes another key.
func (k *keyRoutes) replay(w http.ResponseWriter, key store.Key) error {
	v := k.show(key)
	v.SecretShown = true
	return private(w, http.StatusOK, v)
}

// private answers with what no cache may keep.
func private(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Cache-Control", "private, no-store")
	return wire.JSON(w, status, v)
}
