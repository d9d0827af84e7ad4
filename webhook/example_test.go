package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"medtwin.ai/tollgate/webhook"
)

// A customer's server hears that a key was revoked.
func Example() {
	arrived := make(chan string)
	customer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // in earnest: the signature is verified
		arrived <- r.Header.Get("Webhook-Id") + " " + string(body)
	}))
	defer customer.Close()
	sender, err := webhook.New(webhook.Config{
		Store: new(memory), // in earnest: tables of the application
		Secret: func(endpointID string) []byte {
			mac := hmac.New(sha256.New, []byte("in earnest: from a file"))
			mac.Write([]byte(endpointID))
			return mac.Sum(nil)
		},
		AllowPrivate: true, // in earnest: public addresses only
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go sender.Run(ctx)

	now := time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	_, secret, err := sender.Add(ctx, "acct_1", customer.URL, []string{"key.revoked"}, now)
	fmt.Println(secret[:6], err)
	fmt.Println(sender.Enqueue(ctx, "acct_1", webhook.Event{ID: "evt_1", Kind: "key.revoked", At: now, Data: map[string]string{"id": "key_1"}}))
	fmt.Println(<-arrived)
	// Output:
	// whsec_ <nil>
	// <nil>
	// evt_1 {"type":"key.revoked","timestamp":"2026-01-30T12:00:00Z","data":{"id":"key_1"}}
}
