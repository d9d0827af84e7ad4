package secretscan

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	smallBody   = 64 << 10        // bytes; about what any other handler reads
	maxBodies   = 4               // larger ones, in memory at once
	roomTimeout = 5 * time.Second // for room for one of those
	maxWork     = 8 * time.Second // while the sender waits
	maxKeep     = 5 * time.Second // for the store to take a report
)

// ServeHTTP takes a report. Answers: 200 with the feedback list of GitHub's
// format; 202 with an empty one where the report waits for its keys or takes
// long; 403 where the signature does not verify, before anything is looked up;
// 400, 408 and 413 for what is no report; 503 where it was not taken and should be
// sent again.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	verdicts, err := rc.receive(w, r)
	if errors.Is(err, errLater) {
		status, verdicts, err = http.StatusAccepted, []verdict{}, nil
	}
	var body []byte
	if err == nil {
		body, err = json.Marshal(verdicts)
	}
	if err != nil {
		rc.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// receive verifies a report and handles it, or keeps it for later.
func (rc *Receiver) receive(w http.ResponseWriter, r *http.Request) ([]verdict, error) {
	ids, signatures := r.Header.Values("Github-Public-Key-Identifier"), r.Header.Values("Github-Public-Key-Signature")
	if len(ids) != 1 || len(signatures) != 1 || len(ids[0]) > 128 || len(signatures[0]) > 256 || ids[0] == "" || signatures[0] == "" {
		return nil, errUnsigned
	}
	if _, err := rc.keys.find(r.Context(), ids[0]); errors.Is(err, errSignature) {
		return nil, err // without reading a byte of the body
	}
	body, done, err := rc.read(w, r)
	defer done()
	if err != nil {
		return nil, err
	}
	err = rc.verify(r.Context(), ids[0], signatures[0], body)
	if errors.Is(err, errSource) {
		if _, err := parse(body); err != nil {
			return nil, err // whatever the signature, it is no report
		}
		return nil, rc.later(r.Context(), ids[0], signatures[0], body, rc.origin(rc.addr(r)))
	}
	if err != nil {
		return nil, err
	}
	// What has begun is brought to its end, whether or not the sender waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), rc.work)
	defer cancel()
	verdicts, err := rc.handle(ctx, body, ctx.Err)
	if err != nil && ctx.Err() != nil {
		err = rc.later(ctx, "", "", body, "")
		select {
		case rc.wake <- struct{}{}:
		default: // Run has yet to see the last one
		}
	}
	return verdicts, err
}

// later keeps a report, also when the sender's time has run out while waiting
// for the keys, or the sender has gone.
func (rc *Receiver) later(ctx context.Context, id, signature string, body []byte, origin string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxKeep)
	defer cancel()
	return rc.keep(ctx, id, signature, body, origin)
}

// verify returns nil if the sender has signed the body, errSignature if not, and
// errSource if nobody can tell.
func (rc *Receiver) verify(ctx context.Context, id, signature string, body []byte) error {
	der, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return errSignature
	}
	key, err := rc.keys.find(ctx, id)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(body); !ecdsa.VerifyASN1(key, sum[:], der) {
		return errSignature
	}
	return nil
}

// read returns the body, and a function to call when it is not needed any more.
// Only a few large bodies are in memory at once: anybody may send one, and it has
// to be read whole to verify its sender.
func (rc *Receiver) read(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	done = func() {}
	if r.ContentLength > maxBody {
		return nil, done, errTooLarge
	}
	in := http.MaxBytesReader(w, r.Body, maxBody)
	var b bytes.Buffer
	if _, err = io.CopyN(&b, in, smallBody); err == nil { // and there may be more
		wait := time.NewTimer(rc.roomTimeout)
		defer wait.Stop()
		select {
		case rc.bodies <- struct{}{}:
			done = func() { <-rc.bodies }
		case <-wait.C:
			return nil, done, errFull
		}
		_, err = io.Copy(&b, in)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, done, errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, done, errLate
	case err != nil && err != io.EOF: // it did not arrive
		return nil, done, errInvalid
	}
	return b.Bytes(), done, nil
}
