package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Scripts are atomic, also on the replicas. All keys of a script are arguments of it, and
// in a cluster they are on one server. Clients hear what a script publishes when they can
// read what it has written. A caller that ends cannot do one without the other.
var (
	// create adds a record to the list of its user. KEYS: record, list. ARGV:
	// life in ms, channel, id, and the fields with their values. It returns 0 if the
	// id is taken, unless the same call has taken it: the driver may send a call twice.
	//
	// It removes from the list the ids whose records Redis has deleted. The scores of the
	// list are times of the clock of Redis, like expiries. They are a minute later, so
	// that the list is complete even if that clock jumps.
	create = redis.NewScript(`
		if redis.call('EXISTS', KEYS[1]) == 1 then
			if redis.call('HGET', KEYS[1], ARGV[4]) == ARGV[5] then return 1 end
			return 0
		end
		redis.call('HSET', KEYS[1], unpack(ARGV, 4))
		redis.call('PEXPIRE', KEYS[1], ARGV[1])
		local time = redis.call('TIME')
		local now = time[1] * 1000 + math.floor(time[2] / 1000)
		local life = ARGV[1] + 60000
		redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now))
		redis.call('ZADD', KEYS[2], string.format('%.0f', now + life), ARGV[3])
		if redis.call('PTTL', KEYS[2]) < life then
			redis.call('PEXPIRE', KEYS[2], string.format('%.0f', life))
		end
		redis.call('PUBLISH', ARGV[2], ARGV[3])
		return 1`)

	// touch sets the time of the last use. KEYS: record. ARGV: when.
	//
	// If Redis is full, it still runs a script whose first write needs no memory, such
	// as HDEL, and then allows its other writes. No record has the field "-", so nothing
	// is lost if the second write fails.
	touch = redis.NewScript(`
		local was = redis.call('HMGET', KEYS[1], 'sum', 'revoked', 'seen')
		if not was[1] or was[2] or was[3] and tonumber(was[3]) >= tonumber(ARGV[1]) then return 0 end
		redis.call('HDEL', KEYS[1], '-')
		redis.call('HSET', KEYS[1], 'seen', ARGV[1])
		return 1`)

	// revoke ends sessions of one user. KEYS: records. ARGV: when, channel,
	// replicas to wait for, and the id of each. It returns for each -1: there is none,
	// 0: it had ended before, 1: it ends now. HDEL has the same purpose as in touch.
	//
	// A session that had ended is written again if the call waits for replicas: WAIT waits
	// for the last write of its connection (since 7.2), and a caller that tries again must
	// wait, too.
	revoke = redis.NewScript(`
		local ended, again, at = {}
		for i, key in ipairs(KEYS) do
			local was = redis.call('HMGET', key, 'sum', 'revoked')
			if not was[1] then
				ended[i] = -1
			elseif was[2] then
				ended[i], again, at = 0, key, was[2]
			else
				redis.call('HDEL', key, '-')
				redis.call('HSET', key, 'revoked', ARGV[1])
				redis.call('PUBLISH', ARGV[2], ARGV[i + 3])
				ended[i] = 1
			end
		end
		if again and ARGV[3] ~= '0' then
			redis.call('HDEL', again, '-')
			redis.call('HSET', again, 'revoked', at)
		end
		return ended`)

	// drop deletes a record. KEYS: record, list. ARGV: channel, id.
	drop = redis.NewScript(`
		redis.call('ZREM', KEYS[2], ARGV[2])
		if redis.call('DEL', KEYS[1]) == 0 then return 0 end
		redis.call('PUBLISH', ARGV[1], ARGV[2])
		return 1`)

	// plant makes a witness if there is none. KEYS: witness. ARGV: its value, life in
	// ms. It returns the value of the witness. DEL has the same purpose as HDEL in touch.
	plant = redis.NewScript(`
		local is = redis.call('GET', KEYS[1])
		if is then return is end
		redis.call('DEL', KEYS[1])
		redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
		return ARGV[1]`)
)

// A call has the arguments of one run of a script.
type call struct {
	keys []string
	args []any
}

// mostCalls is how many calls are sent together.
const mostCalls = 100

// runAll runs a script once for every call, and returns how many of them returned 1.
func (s *Store) runAll(ctx context.Context, script *redis.Script, calls []call) (n int, err error) {
	for chunk := range slices.Chunk(calls, mostCalls) {
		pipe := s.client.Pipeline()
		replies := make([]*redis.Cmd, len(chunk))
		for i, c := range chunk {
			replies[i] = script.EvalSha(ctx, pipe, c.keys, c.args...)
		}
		if err := send(ctx, pipe); err != nil {
			return n, err
		}
		for i, c := range chunk {
			reply := replies[i]
			if redis.HasErrorPrefix(reply.Err(), "NOSCRIPT") { // the server does not have the script yet
				reply = script.Run(ctx, s.client, c.keys, c.args...)
			}
			one, err := reply.Int()
			if err != nil {
				return n, err
			}
			n += one
		}
	}
	return n, nil
}

// send returns an error if there are no replies. Otherwise each reply has its own error.
func send(ctx context.Context, pipe redis.Pipeliner) error {
	replies, err := pipe.Exec(ctx)
	for _, r := range replies {
		if r.Err() != nil {
			return nil
		}
	}
	return err
}

// errReplicas means that the master has the write, and that a failover may undo it.
var errReplicas = errors.New("too few replicas have it")

// waitReplicas is how long replicas may take.
const waitReplicas = time.Second

// lasting revokes and waits for the required replicas.
func (s *Store) lasting(ctx context.Context, c call) (ended []int64, err error) {
	if s.replicas == 0 {
		return revoke.Run(ctx, s.client, c.keys, c.args...).Int64Slice()
	}
	for range 2 { // the driver does not repeat a transaction whose key has moved
		var m *redis.Client
		if m, err = s.masterOf(ctx, c.keys[0]); err != nil {
			return nil, err
		}
		ended, err = s.written(ctx, m, c)
		if err == nil || errors.Is(err, errReplicas) || s.cluster == nil {
			break
		}
		if _, err := s.masters(ctx); err != nil { // this reads them again
			break
		}
	}
	return ended, err
}

// written revokes and waits on the same connection, because WAIT waits for the writes of
// its own connection. It sends the text of the script: if the server did not know its
// hash, the call would wait for nothing and then have to be repeated.
func (s *Store) written(ctx context.Context, master *redis.Client, c call) ([]int64, error) {
	pipe := master.Pipeline()
	reply := revoke.Eval(ctx, pipe, c.keys, c.args...)
	enough := s.wait(ctx, pipe)
	if err := send(ctx, pipe); err != nil {
		return nil, err
	}
	ended, err := reply.Int64Slice()
	if err != nil {
		return nil, err
	}
	return ended, enough()
}

// wait makes a pipe wait until the required replicas have its writes. After the pipe is
// sent, enough reports whether they have them.
func (s *Store) wait(ctx context.Context, pipe redis.Pipeliner) (enough func() error) {
	if s.replicas == 0 {
		return func() error { return nil }
	}
	wait := pipe.Do(ctx, "wait", s.replicas, waitReplicas.Milliseconds())
	return func() error {
		have, err := wait.Int()
		if err == nil && have < s.replicas {
			err = fmt.Errorf("%w: %d, want %d", errReplicas, have, s.replicas)
		}
		return err
	}
}
