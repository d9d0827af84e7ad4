package login

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
	"time"
)

// A seal is HMAC-SHA-256 under a secret, of parts for one purpose. Lengths are
// written before the parts, so that ("a:b", "c") and ("a", "b:c") differ. It is
// a function so that printing it shows no secret.
type seal func(purpose string, parts ...string) []byte

func newSeal(secret []byte) seal {
	secret = bytes.Clone(secret)
	return func(purpose string, parts ...string) []byte {
		h := hmac.New(sha256.New, secret)
		for _, s := range append([]string{purpose}, parts...) {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
			io.WriteString(h, s)
		}
		return h.Sum(nil)
	}
}

var b64 = base64.RawURLEncoding

// subject names what is counted.
func (s seal) subject(purpose string, parts ...string) string {
	return b64.EncodeToString(s(purpose, parts...))
}

// maxSealed bounds what a client sends before anything else looks at it, in
// bytes.
const maxSealed = 1024

// sign returns the fields as text that others can carry and not change: each in
// base64, then the expiry in Unix seconds, then the seal, with dots between.
func (s seal) sign(purpose string, expires time.Time, fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(b64.EncodeToString([]byte(f)) + ".")
	}
	b.WriteString(strconv.FormatInt(expires.Unix(), 10))
	return b.String() + "." + s.subject(purpose, b.String())
}

// open returns the n fields of what sign returned for that purpose and has not
// expired.
func (s seal) open(purpose string, n int, signed string, now time.Time) (fields []string, ok bool) {
	dot := strings.LastIndexByte(signed, '.')
	if dot < 0 || len(signed) > maxSealed {
		return nil, false
	}
	body, sum := signed[:dot], signed[dot+1:]
	if !hmac.Equal([]byte(sum), []byte(s.subject(purpose, body))) {
		return nil, false
	}
	parts := strings.Split(body, ".")
	expires, err := strconv.ParseInt(parts[len(parts)-1], 10, 64)
	if err != nil || len(parts) != n+1 || !now.Before(time.Unix(expires, 0)) {
		return nil, false
	}
	for _, p := range parts[:n] {
		f, err := b64.DecodeString(p)
		if err != nil {
			return nil, false
		}
		fields = append(fields, string(f))
	}
	return fields, true
}
