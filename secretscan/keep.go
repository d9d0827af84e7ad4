package secretscan

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"medtwin.ai/tollgate/ratelimit"
)

// standard is the room of a receiver, unless a test makes it smaller.
var standard = Room{Reports: 1000, Bytes: 64 << 20}

// share returns the room of one network for reports that are not verified.
func (r Room) share() Room { return Room{r.Reports / 10, r.Bytes / 4} }

// origin returns what a network is counted as: a keyed hash of the IPv4 address,
// or of the /64 in IPv6. A reader of the table learns no address from it.
func (rc *Receiver) origin(client netip.Addr) string {
	mac := hmac.New(sha256.New, rc.secret)
	mac.Write([]byte("origin " + ratelimit.AddrSubject(client)))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// keep acknowledges a report that Run will handle; also one that waits already.
// origin is the network of one that is not verified, else "".
//
// A network that has used up its share is refused, and sends the report again. If
// the table is full, the oldest report of the network that takes the most room
// is dropped. So a flood pushes out itself, and never a verified report.
func (rc *Receiver) keep(ctx context.Context, key, signature string, body []byte, origin string) error {
	plain := bytes.Join([][]byte{[]byte(key), []byte(signature), body}, []byte("\n")) // headers hold no newline
	id := sha256.Sum256(plain)
	sealed := rc.seal.Seal(nil, nil, plain, id[:])
	w := Waiting{ID: id[:], Received: rc.now().Truncate(time.Microsecond), Origin: origin, Sealed: sealed}
	out, err := rc.store.Add(ctx, w, rc.room, rc.room.share())
	switch {
	case errors.Is(err, ErrFull):
		return errFull
	case err != nil:
		return fmt.Errorf("secretscan: %w", err)
	}
	rc.pushedOut.Add(int64(out))
	return errLater
}
