package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore"
	"medtwin.ai/tollgate/store"
)

const redisForms = `want redis://HOST:PORT/DB, redis+sentinel://HOST,…/MASTER/DB or redis+cluster://HOST,…, with rediss for TLS`

// keepSessions has the sessions in Redis. Everything else stays where it is.
func (b *backend) keepSessions(c config, log *slog.Logger) error {
	client, err := redisClient(c.redis)
	if err != nil {
		return fmt.Errorf("--redis: %w", err)
	}
	driverLog.Do(func() { redis.SetLogger(redisLog{log}) }) // which is the driver's one for all clients
	b.closers = append(b.closers, client)
	b.redis, err = redisstore.New(redisstore.Config{Client: client, Replicas: c.redisReplicas})
	if err == nil {
		b.stores = store.WithSessions(b.stores, b.redis.Sessions(), b.redis)
	}
	return err
}

var driverLog sync.Once

// redisLog takes what the driver has to say.
type redisLog struct{ *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.WarnContext(ctx, "redis", slog.String("text", fmt.Sprintf(format, args...)))
}

// redisClient returns a client for a URL such as
//
//	redis://user:password@host:6379/0
//	redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0?sentinel_password=…
//	rediss+cluster://user:password@host1:6379,host2:6379
//
// with the settings that go-redis reads from one (pool_size, dial_timeout …).
// No error holds a password.
func redisClient(text string) (redis.UniversalClient, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	scheme, kind, some := strings.Cut(scheme, "+")
	if scheme != "redis" && scheme != "rediss" || some != (kind == "sentinel" || kind == "cluster") {
		return nil, errors.New(redisForms)
	}
	// net/url knows no list of hosts: it is given the first.
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	user, hosts := "", rest[:end]
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		user, hosts = hosts[:i+1], hosts[i+1:]
	}
	first, _, several := strings.Cut(hosts, ",")
	u, err := url.Parse(scheme + "://" + user + first + rest[end:])
	// What is wrong may be a password with a character that it cannot have, of
	// which nothing is repeated.
	if err != nil || strings.ContainsAny(rest[end:], "@#") {
		return nil, errors.New("no URL of Redis, or a password in which / ? # @ are not written %2F %3F %23 %40; " + redisForms)
	}

	var o redis.UniversalOptions
	port, query := "6379", u.Query()
	switch kind {
	case "sentinel":
		port = "26379"
		o.MasterName, u.Path, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if o.MasterName == "" {
			return nil, errors.New("the master's name is missing; " + redisForms)
		}
		o.SentinelUsername, o.SentinelPassword = query.Get("sentinel_username"), query.Get("sentinel_password")
		query.Del("sentinel_username")
		query.Del("sentinel_password")
		u.RawQuery = query.Encode()
	case "cluster":
		if strings.Trim(u.Path, "/") != "" || query.Has("db") {
			return nil, errors.New("a cluster has no numbered databases; " + redisForms)
		}
	case "":
		if several {
			return nil, errors.New("one host is wanted; " + redisForms)
		}
	}
	for addr := range strings.SplitSeq(hosts, ",") {
		if o.Addrs = append(o.Addrs, hostPort(addr, port)); strings.HasPrefix(o.Addrs[len(o.Addrs)-1], ":") {
			return nil, errors.New("a host is missing; " + redisForms)
		}
	}
	u.Host = o.Addrs[0]
	p, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, err
	}
	if p.DB < 0 || query.Has("db") && strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("the number of the database is given twice, or negative; " + redisForms)
	}
	p.ContextTimeoutEnabled = true // or a Redis that hangs outlives every deadline
	switch kind {
	case "sentinel":
		return redis.NewFailoverClient(universal(o, p).Failover()), nil
	case "cluster":
		return redis.NewClusterClient(universal(o, p).Cluster()), nil
	}
	return redis.NewClient(p), nil
}

// universal adds to o, which says where, what p says of how.
func universal(o redis.UniversalOptions, p *redis.Options) *redis.UniversalOptions {
	if o.TLSConfig = p.TLSConfig; o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each host's own
	}
	o.Username, o.Password, o.DB, o.Protocol, o.ClientName = p.Username, p.Password, p.DB, p.Protocol, p.ClientName
	o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff = p.MaxRetries, p.MinRetryBackoff, p.MaxRetryBackoff
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = p.DialTimeout, p.ReadTimeout, p.WriteTimeout
	o.ContextTimeoutEnabled, o.PoolFIFO, o.PoolSize, o.PoolTimeout = p.ContextTimeoutEnabled, p.PoolFIFO, p.PoolSize, p.PoolTimeout
	o.MinIdleConns, o.MaxIdleConns, o.MaxActiveConns = p.MinIdleConns, p.MaxIdleConns, p.MaxActiveConns
	o.ConnMaxIdleTime, o.ConnMaxLifetime = p.ConnMaxIdleTime, p.ConnMaxLifetime
	return &o
}

// hostPort adds the port where there is none.
func hostPort(addr, port string) string {
	if host, given, err := net.SplitHostPort(addr); err == nil {
		return net.JoinHostPort(host, given)
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), port)
}
