package leak

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/ratelimit"
)

// A room is how many reports may wait, and how many bytes of them.
type room struct{ reports, bytes int }

// standard is the room of a receiver, unless a test makes it smaller.
var standard = room{reports: 1000, bytes: 64 << 20}

// share returns the room of one network for reports that are not verified.
func (r room) share() room { return room{r.reports / 10, r.bytes / 4} }

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
	out := 0
	err := rc.db.Do(ctx, func(tx database.Tx) (err error) {
		out = 0
		if err = tx.Lock(ctx, "leak reports"); err != nil { // which are counted
			return err
		}
		var there, reports, size int
		if err = tx.Row(ctx, `SELECT count(*) FROM server_leak_reports WHERE id = ?1`, id[:]).Scan(&there); err != nil || there > 0 {
			return err
		}
		if origin != "" {
			if err = tx.Row(ctx, `SELECT count(*), coalesce(sum(length(sealed)), 0) FROM server_leak_reports WHERE origin = ?1`, origin).Scan(&reports, &size); err != nil {
				return err
			}
			if share := rc.room.share(); reports >= share.reports || size+len(sealed) > share.bytes {
				return errFull
			}
		}
		for {
			if err = tx.Row(ctx, `SELECT count(*), coalesce(sum(length(sealed)), 0) FROM server_leak_reports`).Scan(&reports, &size); err != nil {
				return err
			}
			if reports < rc.room.reports && size+len(sealed) <= rc.room.bytes {
				break
			}
			if err = rc.pushOut(ctx, tx); err != nil {
				return err
			}
			out++
		}
		_, err = tx.Exec(ctx, `INSERT INTO server_leak_reports (id, received, sealed, origin) VALUES (?1, CAST(?2 AS BIGINT), ?3, ?4)`,
			id[:], rc.now().UnixMicro(), sealed, origin)
		return err
	})
	switch {
	case errors.Is(err, errFull):
		return err
	case err != nil:
		return fmt.Errorf("leak: %w", err)
	}
	rc.pushedOut.Add(int64(out))
	return errLater
}

// pushOut drops the oldest unverified report of the network that takes the most
// room. Room is the number of reports plus the bytes, in units of which there is
// room for as many as for reports. It returns errFull if there is no such report.
func (rc *Receiver) pushOut(ctx context.Context, tx database.Tx) error {
	now := rc.now().UnixMicro()
	var id []byte
	err := tx.Row(ctx, `SELECT id FROM server_leak_reports WHERE busy <= ?1 AND origin = (
			SELECT origin FROM server_leak_reports WHERE origin <> '' AND busy <= ?1
			GROUP BY origin ORDER BY count(*) + sum(length(sealed)) / CAST(?2 AS BIGINT) DESC, min(received), origin LIMIT 1)
		ORDER BY received, id LIMIT 1`, now, rc.room.bytes/rc.room.reports).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return errFull
	}
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM server_leak_reports WHERE id = ?1`, id)
	}
	return err
}
