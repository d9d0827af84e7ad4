package portal

import (
	"net/http"
	"time"

	"medtwin.ai/tollgate/portal/wire"
)

// The grace periods of a rotation: for how long the old key works after the first use of
// the new one.
const (
	defaultGrace = 24 * time.Hour
	maxGrace     = 7 * 24 * time.Hour
)

var errGrace = wire.Invalid("invalid_grace", "grace_seconds must be 0 to 604800.")

// rotate answers 201 with the successor of a key, this once. The body is optional.
func (k *keyRoutes) rotate(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Grace *int64 `json:"grace_seconds"`
	}
	if err := wire.DecodeOptional(w, r, &body); err != nil {
		return err
	}
	grace := defaultGrace
	if body.Grace != nil {
		if *body.Grace < 0 || *body.Grace > int64(maxGrace/time.Second) {
			return errGrace
		}
		grace = time.Duration(*body.Grace) * time.Second
	}
	call, err := callOf(r, body)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	key, token, err := k.gate.Keys().RotateOnce(r.Context(), caller(r), id, grace, call, k.of.Now())
	switch {
	case err != nil:
		return err
	case token.IsZero():
		return k.replay(w, key)
	}
	k.record(r, "key.rotated", id, "its successor is "+key.ID)
	return k.reveal(w, key, token)
}
