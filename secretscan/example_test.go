package secretscan_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"medtwin.ai/tollgate/secretscan"
)

// Somebody has found a key in a public repository.
func Example() {
	// GitHub publishes its public key, and signs the report.
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		json.NewEncoder(w).Encode(map[string]any{"public_keys": []any{map[string]any{"key_identifier": "k1", "key": string(public)}}})
	}))
	defer github.Close()
	body := `[{"token":"acme_live_1","type":"acme_key","url":"https://github.com/o/r/blob/1/f","source":"commit"}]`
	sum := sha256.Sum256([]byte(body))
	signature, _ := ecdsa.SignASN1(rand.Reader, key, sum[:])

	reports, err := secretscan.New(secretscan.Config{
		Store:   new(memory),      // in earnest: a table of the application
		Seal:    make([]byte, 32), // in earnest: a secret from a file
		KeysURL: github.URL,
		Report: func(_ context.Context, token, url, source string) (known bool, err error) {
			fmt.Println("revoke", token, "found at", url)
			return true, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("POST", "/secret-scanning", strings.NewReader(body))
	r.Header.Set("Github-Public-Key-Identifier", "k1")
	r.Header.Set("Github-Public-Key-Signature", base64.StdEncoding.EncodeToString(signature))
	w := httptest.NewRecorder()
	reports.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// revoke acme_live_1 found at https://github.com/o/r/blob/1/f
	// 200 [{"token_hash":"dd65776d004dfbafd7cf8d28861edf464c648e4725d473aee410ccb3e30c0a29","token_type":"acme_key","label":"true_positive"}]
}
