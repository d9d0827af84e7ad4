package secretscan

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	pause   = 90 * time.Second // between two fetches, however they ended: GitHub allows 60 an hour
	current = time.Hour        // how old the keys may get before Run fetches them again
	maxKeys = 1 << 20          // bytes
)

// A keyring is the sender's public keys by identifier. It keeps its keys through
// any outage of the source. That is safe even if a key is withdrawn meanwhile: its
// holder can only have tokens revoked, which publishing the tokens does too.
type keyring struct {
	url    string
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	fetching chan struct{} // holds one while a fetch is under way

	mu      sync.Mutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time // when keys were
	tried   time.Time // when the latest fetch ended
	err     error     // of the latest fetch
}

// find returns the key of an identifier. It returns errSignature if the source has
// no such key, and errSource if the source does not answer. If the keyring lacks
// the key, find asks the source, but at most once per pause: keys are published
// before they are used, so a list of that age tells which exist.
func (k *keyring) find(ctx context.Context, id string) (*ecdsa.PublicKey, error) {
	if key := k.get(id); key != nil {
		return key, nil
	}
	if err := k.refresh(ctx, pause); err != nil {
		return nil, err
	}
	if key := k.get(id); key != nil {
		return key, nil
	}
	return nil, errSignature
}

func (k *keyring) get(id string) *ecdsa.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[id]
}

// wanted reports whether there was a report that needed the keys.
func (k *keyring) wanted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.tried.IsZero()
}

// refresh fetches the keys if they are older than age and the latest try is
// older than pause, and returns how the latest try ended. One caller fetches
// for all, even if that caller has gone meanwhile.
func (k *keyring) refresh(ctx context.Context, age time.Duration) error {
	select {
	case k.fetching <- struct{}{}:
		defer func() { <-k.fetching }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errSource, ctx.Err())
	}
	k.mu.Lock()
	now, latest, fetched, err := k.now(), k.tried, k.fetched, k.err
	k.mu.Unlock()
	if now.Sub(latest) < pause || now.Sub(fetched) < age {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	keys, err := k.fetch(ctx)
	if err != nil {
		err = fmt.Errorf("%w: %w", errSource, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if (err != nil) != (k.err != nil) {
		k.log.LogAttrs(ctx, slog.LevelWarn, "source of leak reports' keys", slog.Bool("reachable", err == nil), slog.Any("err", err))
	}
	k.tried, k.err = k.now(), err
	if err == nil {
		k.keys, k.fetched = keys, k.tried
	}
	return err
}

// fetch returns the ECDSA keys on P-256 that the source lists, and passes over
// all others.
func (k *keyring) fetch(ctx context.Context) (map[string]*ecdsa.PublicKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxKeys+1))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK || len(text) > maxKeys {
		return nil, fmt.Errorf("status %d, %d bytes", res.StatusCode, len(text))
	}
	var list struct {
		Keys []struct {
			ID  string `json:"key_identifier"`
			PEM string `json:"key"`
		} `json:"public_keys"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	keys := make(map[string]*ecdsa.PublicKey)
	for _, item := range list.Keys { // current or not: a report may be older than the change
		block, _ := pem.Decode([]byte(item.PEM))
		if block == nil || item.ID == "" {
			continue
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if ec, ok := key.(*ecdsa.PublicKey); err == nil && ok && ec.Curve == elliptic.P256() {
			keys[item.ID] = ec
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no usable key in the list")
	}
	return keys, nil
}
