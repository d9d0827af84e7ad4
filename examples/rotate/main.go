// Command rotate replaces the API key of a client without a failed request: it asks for the
// successor, stores it, and uses it from then on. The old key works until a day after the
// first use of the new one, so that other processes can follow.
//
//	rotate API SESSION KEY_ID KEYFILE
//
// It can be repeated after a crash: the Idempotency-Key makes one successor, and if its key
// was lost on the way, the program says so.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: rotate API SESSION KEY_ID KEYFILE")
		os.Exit(2)
	}
	if err := rotate(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "rotate:", err)
		os.Exit(1)
	}
}

func rotate(api, session, id, file string) error {
	key, err := successor(api, session, id)
	if err != nil {
		return err
	}
	if err := replace(file, key); err != nil {
		return err
	}
	return verify(api, key)
}

// successor asks the API for the key that follows the one with that id.
func successor(api, session, id string) (key string, err error) {
	r, err := http.NewRequest("POST", api+"/v1/api-keys/"+id+"/rotate", strings.NewReader(`{"grace_seconds": 86400}`))
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Session "+session)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "rotation of "+id) // a repeated request makes no second key
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct{ Key, Detail, ID string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	switch res.StatusCode {
	case http.StatusCreated:
		return answer.Key, nil
	case http.StatusOK: // an earlier request made it, and keys are shown once
		return "", fmt.Errorf("the successor is %s, and its key was shown before: rotate that one", answer.ID)
	}
	return "", errors.New(answer.Detail)
}

var client = &http.Client{Timeout: 10 * time.Second}

// replace writes the key so that a reader of the file sees the old one or the new one whole.
func replace(file, key string) error {
	f, err := os.CreateTemp(filepath.Dir(file), "key") // mode 0600
	if err != nil {
		return err
	}
	if _, err := f.WriteString(key + "\n"); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// verify uses the new key, which begins the grace period of the old one.
func verify(api, key string) error {
	r, err := http.NewRequest("GET", api+"/v1/whoami", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the new key was answered %s", res.Status)
	}
	return nil
}
