package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/ratelimit"
)

// limits counts requests in Redis. One key holds the windows of a subject, so a take is one
// call to one server.
type limits struct {
	*Store
	byCaller bool // decides by the time of the take, for tests: not by that of Redis
}

// Limits returns a store of limits that all processes share. It decides by the clock of
// Redis, in one round trip, and writes nothing for a refused take. Every key expires a
// minute after its longest window. A process that does not reach Redis decides by the policy of its
// limiter: see [ratelimit.OnOutage].
//
// Redis acknowledges a take before its replicas have it, so a failover may forget the last
// takes.
func (s *Store) Limits() ratelimit.Store { return limits{Store: s} }

// take decides all windows of a plan. KEYS: the state of a subject. ARGV: the time in µs,
// or "" for that of Redis; the cost; and for each window its name, quota, length of a
// sub-window, start, end and next end, which [ratelimit.SharedWindow] describes. It
// returns whether it has charged, the time in µs and the state before.
//
// The time of a subject never goes back: a take before the last charge is decided at that.
// A calendar window that ends later than the present one, because the clock went back or
// the zone has changed, stays.
//
// The first pass reads all windows and the second writes, so a refused take changes nothing.
// Windows of other plans are copied while they count. Numbers are integers below 2^53.
var take = redis.NewScript(`
	local now = tonumber(ARGV[1])
	if not now then
		local t = redis.call('TIME')
		now = t[1] * 1000000 + t[2]
	end
	local before = redis.call('GET', KEYS[1]) or ''
	local cost, at, kept = tonumber(ARGV[2]), now, {}
	for field in string.gmatch(before, '[^;]+') do
		local name, value = string.match(field, '^(%w+)=(.*)$')
		if name then kept[name] = value else at = math.max(now, tonumber(field)) end
	end
	local ask, ok, windows = math.max(cost, 1), cost > 0, {}
	for i = 3, #ARGV, 6 do
		local w = {name = ARGV[i], step = tonumber(ARGV[i + 2]), used = 0, counts = {}}
		local value = kept[w.name]
		if w.step > 0 then
			w.pos = math.floor(at / w.step)
			if value then
				local newest = tonumber(string.match(value, '^%d+'))
				for age, n in string.gmatch(value, '(%d+):(%d+)') do
					local k = w.pos - newest + age
					if k <= 16 then w.counts[k] = tonumber(n); w.used = w.used + n end
				end
			end
		else
			local start, stop = tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
			if now >= stop * 1000000 then start, stop = stop, tonumber(ARGV[i + 5]) end
			w.pos = stop
			if value then
				local fin, n = string.match(value, '^(%d+),(%d+)$')
				fin = tonumber(fin)
				if fin > start then w.used, w.pos = tonumber(n), math.max(fin, stop) end
			end
		end
		if ask > tonumber(ARGV[i + 1]) - w.used then ok = false end
		windows[#windows + 1] = w
	end
	if not ok then return {0, string.format('%.0f', now), before} end
	local after, ends = {string.format('%.0f', at)}, 0
	for _, w in ipairs(windows) do
		kept[w.name] = nil
		if w.step > 0 then
			w.counts[0] = (w.counts[0] or 0) + cost
			local s = {string.format('%s=%.0f', w.name, w.pos)}
			for k = 0, 16 do
				if w.counts[k] and w.counts[k] > 0 then s[#s + 1] = string.format('%d:%.0f', k, w.counts[k]) end
			end
			after[#after + 1] = table.concat(s, ',')
			ends = math.max(ends, (w.pos + 17) * w.step)
		else
			after[#after + 1] = string.format('%s=%.0f,%.0f', w.name, w.pos, w.used + cost)
			ends = math.max(ends, w.pos * 1000000)
		end
	end
	for name, value in pairs(kept) do
		local stop
		if string.sub(name, 1, 1) == 'r' then
			local step = math.ceil(string.sub(name, 2) * 1000 / 16)
			stop = (tonumber(string.match(value, '^%d+')) + 17) * step
		else
			stop = tonumber(string.match(value, '^%d+')) * 1000000
		end
		if stop > now then
			after[#after + 1] = name .. '=' .. value
			ends = math.max(ends, stop)
		end
	end
	redis.call('SET', KEYS[1], table.concat(after, ';'), 'PX', string.format('%.0f', math.max(0, math.ceil((ends - now) / 1000)) + 60000))
	return {1, string.format('%.0f', now), before}`)

// Take implements [ratelimit.Store].
func (l limits) Take(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
	if err := t.Check(); err != nil {
		return ratelimit.Decision{}, err
	}
	args := []any{"", t.Cost}
	if l.byCaller {
		args[0] = now.UnixMicro()
	}
	for _, w := range t.Plan.Shared().Windows(now) {
		args = append(args, w.Name, w.Quota, w.Step, w.Start, w.End, w.Next)
	}
	answer, err := take.Run(ctx, l.client, []string{l.names.limit(t.Scope, t.Subject)}, args...).Slice()
	if err != nil {
		return ratelimit.Decision{}, refusal(err)
	}
	if len(answer) != 3 {
		return ratelimit.Decision{}, fmt.Errorf("redisstore: take: got %d values, want 3", len(answer))
	}
	charged, _ := answer[0].(int64)
	text, _ := answer[1].(string)
	state, _ := answer[2].(string)
	micros, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return ratelimit.Decision{}, fmt.Errorf("redisstore: take: got the time %q", text)
	}
	return t.Plan.Shared().Decide(state, t.Cost, time.UnixMicro(micros), charged == 1)
}

// refusal returns the error of a call. What does not heal by itself wraps
// [ratelimit.ErrMisconfigured].
func refusal(err error) error {
	for _, code := range []string{"NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"} {
		if strings.HasPrefix(err.Error(), code) {
			return fmt.Errorf("redisstore: take: %w: %w", ratelimit.ErrMisconfigured, err)
		}
	}
	return fmt.Errorf("redisstore: take: %w", err)
}
