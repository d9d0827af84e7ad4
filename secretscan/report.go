package secretscan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

const (
	maxBody    = 8 << 20 // bytes
	maxMatches = 50_000  // in a body
	maxURL     = 2048    // bytes that are passed on of it
	maxSource  = 64
)

// A match is a token and where it was found.
type match struct {
	Token  string `json:"token"`
	Type   string `json:"type"`
	URL    string `json:"url"`
	Source string `json:"source"`
}

// parse returns the matches of a body, one for each token: the first. It
// refuses a body that is no array, or holds no token at all. An element without
// a token, or of another type, is passed over, as are members that it does not
// know: refusing the report would leave the other leaked keys open. The answer
// names each token that was handled, so it says nothing about the rest.
func parse(body []byte) ([]match, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return nil, errInvalid
	}
	var list []match
	seen := make(map[string]bool)
	n := 0
	for ; d.More(); n++ {
		if n == maxMatches {
			return nil, errTooLarge
		}
		var m match
		if err := d.Decode(&m); err != nil {
			if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
				return nil, errInvalid
			}
		}
		if strings.TrimSpace(m.Token) == "" || seen[m.Token] {
			continue
		}
		seen[m.Token] = true
		m.URL, m.Source = cut(m.URL, maxURL), cut(m.Source, maxSource)
		list = append(list, m)
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return nil, errInvalid
	}
	if _, err := d.Token(); err != io.EOF || n > 0 && len(list) == 0 {
		return nil, errInvalid
	}
	return list, nil
}

// cut returns at most n bytes of s, without half a character at the end.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// A verdict is the feedback on one token: whether it was one of ours.
type verdict struct {
	Hash  string `json:"token_hash"` // SHA-256 in hex: the token itself has been sent around enough
	Type  string `json:"token_type"`
	Label string `json:"label"`
}

// handle passes on what is in the body of a report that has been verified, as
// long as on returns nil. After an error it can be done again from the start.
func (rc *Receiver) handle(ctx context.Context, body []byte, on func() error) ([]verdict, error) {
	matches, err := parse(body)
	if err != nil {
		return nil, err
	}
	verdicts := make([]verdict, 0, len(matches)) // [] in JSON, not null
	for _, m := range matches {
		if err := on(); err != nil {
			return nil, err
		}
		known, err := rc.report(ctx, m.Token, m.URL, m.Source)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256([]byte(m.Token))
		v := verdict{Hash: hex.EncodeToString(sum[:]), Type: m.Type, Label: "false_positive"}
		if known {
			v.Label = "true_positive"
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}
