package api

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// What a URL says reaches the client.
func TestRedisURL(t *testing.T) {
	type settings struct {
		Addrs          []string // of a cluster or one server
		Username       string
		Password       string
		DB, PoolSize   int
		Read           time.Duration
		TLS            bool
		Name           string // in certificates
		HeedsDeadlines bool
	}
	of := func(user, password string, db, pool int, read time.Duration, c *tls.Config, heeds bool, addrs ...string) settings {
		s := settings{Addrs: addrs, Username: user, Password: password, DB: db, PoolSize: pool, Read: read, TLS: c != nil, HeedsDeadlines: heeds}
		if c != nil {
			s.Name = c.ServerName
		}
		return s
	}
	for _, tt := range []struct {
		url  string
		want settings
	}{
		{"redis://localhost", settings{Addrs: []string{"localhost:6379"}}},
		{"rediss://me:s%40cret@redis.example:7000/3?pool_size=7&read_timeout=2s", settings{
			Addrs: []string{"redis.example:7000"}, Username: "me", Password: "s@cret", DB: 3, PoolSize: 7, Read: 2 * time.Second, TLS: true, Name: "redis.example",
		}},
		{"redis://[::1]:7000/1", settings{Addrs: []string{"[::1]:7000"}, DB: 1}},
		{"redis+cluster://one,two:71", settings{Addrs: []string{"one:6379", "two:71"}}},
		{"rediss+cluster://:s%2Fcret@one,[::1],three:7000/?pool_size=9", settings{
			Addrs: []string{"one:6379", "[::1]:6379", "three:7000"}, Password: "s/cret", PoolSize: 9, TLS: true,
		}},
		{"redis+sentinel://me:secret@one,two:27000/mymaster/2?sentinel_password=x&pool_size=5", settings{
			Addrs: []string{"FailoverClient"}, Username: "me", Password: "secret", DB: 2, PoolSize: 5,
		}},
		{"rediss+sentinel://one/mymaster", settings{Addrs: []string{"FailoverClient"}, TLS: true}},
	} {
		client, err := redisClient(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		defer client.Close()
		var got settings
		switch c := client.(type) {
		case *redis.Client:
			o := c.Options()
			got = of(o.Username, o.Password, o.DB, o.PoolSize, o.ReadTimeout, o.TLSConfig, o.ContextTimeoutEnabled, o.Addr)
		case *redis.ClusterClient:
			o := c.Options()
			got = of(o.Username, o.Password, 0, o.PoolSize, o.ReadTimeout, o.TLSConfig, o.ContextTimeoutEnabled, o.Addrs...)
		}
		tt.want.HeedsDeadlines = true
		if tt.want.PoolSize == 0 { // the driver's own
			tt.want.PoolSize = got.PoolSize
		}
		if tt.want.Read == 0 {
			tt.want.Read = 3 * time.Second
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.url, diff)
		}
	}
}

// A URL that cannot be right is refused, and its password stays unsaid.
func TestRedisURLRefused(t *testing.T) {
	for _, url := range []string{
		"", "localhost:6379", "http://localhost", "redis", "redis+", "redis+ring://:secret@one", "rediss+sentinel://:secret@one",
		"redis+sentinel://:secret@one/", "redis+cluster://:secret@one/1", "redis+cluster://:secret@one?db=1",
		"redis://:secret@one,two/0", "redis+cluster://:secret@one,,two", "redis+cluster://:secret@", "redis+cluster://:secret@:7000",
		"redis://:secret@one/zero", "redis://:secret@one/0?pool=7", "redis://:secret@one:port/0", "redis://:secret%zz@one/0", "redis://:secret@one/0/1",
		"redis://admin:12/secret@one:6379/0", "redis://admin:12?secret@one/0", "redis://admin:12#secret@one/0", "redis+cluster://admin:12/secret@one",
		"redis+sentinel://admin:12/secret@one/mymaster", "redis://:secret@one/1?db=2", "redis://:secret@one?db=-1",
		"redis+sentinel://:secret@one/mymaster/zero", "redis+sentinel://one/mymaster?sentinel_password=secret&pool=7",
	} {
		client, err := redisClient(url)
		if err == nil {
			client.Close()
			t.Errorf("%q is accepted", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", url, err)
		}
	}
}
