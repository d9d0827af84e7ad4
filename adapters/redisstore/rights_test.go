package redisstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/store"
)

// Rights that are too few are told, and those in the documentation are enough.
func TestRights(t *testing.T) {
	const rights = "~tollgate:* &tollgate:* +@read +@write +@pubsub +@scripting +@connection +time +wait"
	for _, tt := range []struct {
		name, rights string
		servers      []*redistest.Server
		client       func(user string) redis.UniversalClient
	}{
		{"alone", rights, []*redistest.Server{must(alone())(t)}, func(user string) redis.UniversalClient {
			o := must(alone())(t).Options()
			o.Username, o.Password = user, "secret"
			return redis.NewClient(o)
		}},
		{"cluster", rights + " +cluster|slots", append(must(cluster())(t).Masters, must(cluster())(t).Replicas...), func(user string) redis.UniversalClient {
			o := must(cluster())(t).Options()
			o.Username, o.Password = user, "secret"
			return redis.NewClusterClient(o)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			as := func(user, rights string) *Store {
				t.Helper()
				args := []any{"acl", "setuser", user, "on", ">secret", "resetchannels"} // as it is by itself since 7.0
				for rule := range strings.FieldsSeq(rights) {
					args = append(args, rule)
				}
				for _, server := range tt.servers {
					admin := server.Client(t)
					if err := admin.Do(t.Context(), args...).Err(); err != nil {
						t.Fatal(err)
					}
				}
				return open(t, closing(t, tt.client(user)), func(c *Config) { c.Prefix = "tollgate:" + c.Prefix })
			}
			everything(t, as("enough", tt.rights))
			reader := as("reader", strings.Replace(tt.rights, "+@write", "-@write", 1))
			if err := reader.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "NOPERM") {
				t.Errorf("without the right to write: %v", err)
			}
			if err := reader.Sessions().Create(t.Context(), login("u", 1)); err == nil || errors.Is(err, store.ErrConflict) {
				t.Errorf("without the right to write: %v", err)
			}
			dumb := as("dumb", strings.Replace(tt.rights, "+@pubsub", "+@pubsub -publish", 1))
			if err := dumb.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "NOPERM") {
				t.Errorf("without the right to publish: %v", err) // case T9
			}
			stranger := as("stranger", strings.Replace(tt.rights, "~tollgate:*", "~other:*", 1))
			if _, err := stranger.Sessions().Find(t.Context(), login("u", 1).Digest); err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("without the right to our keys: %v", err)
			}
		})
	}
}

// A session that has ended stays so, and keeps what is known of it, also where
// a script is stopped half-way.
func TestHalfWritten(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{0, 1} {
		t.Run(fmt.Sprintf("replicas %d", replicas), func(t *testing.T) {
			sound := open(t, must(alone())(t).Client(t))
			ended, used := login("u", 1), login("u", 2)
			begin(t, sound, ended, used)
			uses := []store.Use{{ID: used.ID, At: t0}}
			if err := errors.Join(sound.Sessions().Revoke(t.Context(), "u", ended.ID, t0), sound.Sessions().Touch(t.Context(), uses)); err != nil {
				t.Fatal(err)
			}
			if err := sound.client.Do(t.Context(), "acl", "setuser", "halfway", "on", ">secret", "~*", "&*", "+@all", "-hset").Err(); err != nil {
				t.Fatal(err)
			}
			o := must(alone())(t).Options()
			o.Username, o.Password = "halfway", "secret"
			s := open(t, closing(t, redis.NewClient(o)), func(c *Config) { c.Prefix, c.Replicas = string(sound.names), replicas })
			err := s.Sessions().Revoke(t.Context(), "u", ended.ID, t0.Add(time.Hour))
			if again := replicas > 0; errors.Is(err, errReplicas) || (err != nil) != again { // it comes to the write first
				t.Errorf("Revoke of what has ended: %v; is it written again? want %v", err, again)
			}
			if err := s.Sessions().Revoke(t.Context(), "u", used.ID, t0); err == nil {
				t.Error("Revoke without the right to write")
			}
			if err := s.Sessions().Touch(t.Context(), []store.Use{{ID: used.ID, At: t0.Add(time.Minute)}}); err == nil {
				t.Error("Touch without the right to write")
			}
			if got, err := s.Sessions().Find(t.Context(), ended.Digest); err != nil || !got.Revoked.Equal(t0) {
				t.Errorf("what has ended at %v has ended at %v, error %v", t0, got.Revoked, err)
			}
			if got, err := s.Sessions().Find(t.Context(), used.Digest); err != nil || !got.Seen.Equal(t0) || !got.Revoked.IsZero() {
				t.Errorf("what was seen at %v was seen at %v and has ended at %v, error %v", t0, got.Seen, got.Revoked, err)
			}
		})
	}
}

// A client that may not log in learns nothing about sessions.
func TestNotLetIn(t *testing.T) {
	o := must(alone())(t).Options()
	o.Password = "wrong"
	outage(t, open(t, closing(t, redis.NewClient(o))))
}

// Redis is reached by TLS, where its certificate is of an authority that the
// client knows, and otherwise not.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := certify(t, dir)
	port := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	addr := port.Addr().(*net.TCPAddr)
	port.Close()
	server := must(redistest.Start(redistest.Config{Settings: []string{
		fmt.Sprintf("tls-port %d", addr.Port), "tls-auth-clients no", "tls-cert-file " + filepath.Join(dir, "cert.pem"),
		"tls-key-file " + filepath.Join(dir, "key.pem"), "tls-ca-cert-file " + filepath.Join(dir, "cert.pem"),
	}}))(t)
	t.Cleanup(func() { server.Close() })
	client := func(roots *x509.CertPool) *redis.Client {
		o := must(redis.ParseURL(strings.Replace(fmt.Sprintf("rediss://:%s@%s/0", server.Password(), addr), "//:", "//default:", 1)))(t)
		o.ContextTimeoutEnabled, o.TLSConfig.RootCAs = true, roots
		return closing(t, redis.NewClient(o))
	}
	everything(t, open(t, client(authority)))
	stranger := open(t, client(x509.NewCertPool()))
	outage(t, stranger)
	if err := stranger.Ready(t.Context()); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("an unknown authority: %v", err)
	}
}

// certify writes the certificate of the loopback address and its key into a
// folder, and returns who vouches for it.
func certify(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert := must(x509.CreateCertificate(rand.Reader, about, about, key.Public(), key))(t)
	for _, tt := range []struct {
		name  string
		block *pem.Block
	}{
		{"cert.pem", &pem.Block{Type: "CERTIFICATE", Bytes: cert}},
		{"key.pem", &pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))(t)}},
	} {
		if err := os.WriteFile(filepath.Join(dir, tt.name), pem.EncodeToMemory(tt.block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(must(x509.ParseCertificate(cert))(t))
	return roots
}
