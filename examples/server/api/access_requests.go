package api

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// accessRequests are seed 000's path to a key: an organisation asks for
// access, and an operator decides.
type accessRequests struct {
	db       *database.DB
	throttle ratelimit.Store
	plan     *ratelimit.Plan // per client address
}

// An accessRequest is one of them. Its texts come from strangers.
type accessRequest struct {
	ID             string `json:"id"`
	Status         string `json:"status"` // pending, approved, rejected
	Organization   string `json:"organization"`
	UseCase        string `json:"use_case"`
	ExpectedVolume string `json:"expected_volume"`
	Email          string `json:"email"`
	Name           string `json:"name,omitempty"`
	Created        string `json:"created_at"`
	Decided        string `json:"decided_at,omitempty"`
	DecidedBy      string `json:"decided_by,omitempty"`
	Reason         string `json:"reason,omitempty"`
	Account        string `json:"account_id,omitempty"` // made for it
}

// statuses are what can become of a request.
var statuses = []string{"pending", "approved", "rejected"}

// maxPending bounds what strangers can fill the database with.
const maxPending = 10_000

// claimed is how long an approval that has begun keeps others out. An approval
// takes milliseconds: one that takes longer than this has died with its process.
const claimed = time.Minute

var errDecided = invalid(http.StatusConflict, "already_decided", "The access request has been decided, or is being decided at this moment.")

func newAccessRequests(db *database.DB) (*accessRequests, error) {
	plan, err := ratelimit.ParsePlan("access requests", "5-H")
	if err != nil {
		return nil, err
	}
	return &accessRequests{db, ratelimit.NewMemory(1000), plan}, nil
}

// An accessDesk takes requests for access and decides them.
type accessDesk struct{ *server }

// requestAccess takes the request of somebody who has no credential.
func (s accessDesk) requestAccess(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Organization   string `json:"organization"`
		UseCase        string `json:"use_case"`
		ExpectedVolume string `json:"expected_volume"`
		Email          string `json:"email"`
		Name           string `json:"name"`
	}
	if err := wire.Decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	email := login.Email(body.Email)
	if email == "" {
		s.fail(w, r, invalid(http.StatusBadRequest, "invalid_field", "email must be one address that we can answer to, such as ann@example.com."))
		return
	}
	for _, f := range []struct {
		name, text string
		most       int
	}{{"organization", body.Organization, 200}, {"use_case", strings.ReplaceAll(body.UseCase, "\n", " "), 2000}, {"expected_volume", body.ExpectedVolume, 200}} {
		if !wire.Printable(f.text, 1, f.most) {
			s.fail(w, r, invalid(http.StatusBadRequest, "invalid_field", f.name+" is missing, too long, or not text."))
			return
		}
	}
	if !wire.Printable(body.Name, 0, 200) {
		s.fail(w, r, invalid(http.StatusBadRequest, "invalid_field", "name is too long, or not text."))
		return
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	take := ratelimit.Take{Scope: "access requests", Subject: ratelimit.AddrSubject(s.gate.ClientAddr(r)), Plan: s.requests.plan, Cost: 1}
	d, err := s.requests.throttle.Take(r.Context(), take, now)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !d.Allowed {
		writeProblem(w, r, problem.Problem{Status: http.StatusTooManyRequests, Retry: d.Retry})
		return
	}
	made := accessRequest{
		ID: keyfmt.NewID("req_", now), Status: "pending", Email: email, Name: s.redacted(body.Name), Organization: s.redacted(body.Organization),
		UseCase: s.redacted(body.UseCase), ExpectedVolume: s.redacted(body.ExpectedVolume),
	}
	if err := s.requests.add(r.Context(), made, now); err != nil {
		s.fail(w, r, err)
		return
	}
	s.gate.Record(r.Context(), store.Event{Actor: "anybody", Kind: "access_request.created", Subject: made.ID, Address: shown(s.gate.ClientAddr(r))})
	s.respond(w, r, http.StatusAccepted, map[string]string{"id": made.ID, "status": made.Status})
}

// add stores a request unless too many wait.
func (a *accessRequests) add(ctx context.Context, q accessRequest, now time.Time) error {
	var added int64
	err := a.db.Do(ctx, func(tx database.Tx) (err error) {
		if err = tx.Lock(ctx, "access requests"); err == nil { // which are counted
			added, err = tx.Exec(ctx, `INSERT INTO tollgate_server.access_requests (id, organization, use_case, expected_volume, email, name, created)
				SELECT $1, $2, $3, $4, $5, $6, CAST($7 AS BIGINT)
				WHERE (SELECT count(*) FROM tollgate_server.access_requests WHERE status = 'pending') < $8`,
				q.ID, q.Organization, q.UseCase, q.ExpectedVolume, q.Email, q.Name, now.UnixMicro(), maxPending)
		}
		return err
	})
	if err != nil || added > 0 {
		return err
	}
	return &problem.Problem{
		Status: http.StatusServiceUnavailable, Code: "too_many_pending", Retry: time.Hour,
		Detail: "Too many requests wait to be read. Write to " + supportContact + ".",
	}
}

const requestColumns = `id, status, organization, use_case, expected_volume, email, name, created, decided, decided_by, reason, account`

func scanRequest(row interface{ Scan(...any) error }) (q accessRequest, err error) {
	var created, decided int64
	err = row.Scan(&q.ID, &q.Status, &q.Organization, &q.UseCase, &q.ExpectedVolume, &q.Email, &q.Name,
		&created, &decided, &q.DecidedBy, &q.Reason, &q.Account)
	q.Created = wire.FormatTime(time.UnixMicro(created))
	if decided != 0 {
		q.Decided = wire.FormatTime(time.UnixMicro(decided))
	}
	return q, err
}

// list returns up to limit requests of a status ("": any), the oldest first,
// after the id given.
func (a *accessRequests) list(ctx context.Context, status, after string, limit int) ([]accessRequest, error) {
	rows, err := a.db.Rows(ctx, `SELECT `+requestColumns+` FROM tollgate_server.access_requests
		WHERE ($1 = '' OR status = $1) AND id > $2 ORDER BY id LIMIT $3`, status, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []accessRequest
	for rows.Next() {
		q, err := scanRequest(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, q)
	}
	return list, rows.Err()
}

func (a *accessRequests) get(ctx context.Context, id string) (accessRequest, error) {
	q, err := scanRequest(a.db.Row(ctx, `SELECT `+requestColumns+` FROM tollgate_server.access_requests WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	return q, err
}

// claim takes a pending request for an approval, and determines which account
// it will have. It is the same account when the approval is repeated after a
// crash. A request that is decided or claimed is errDecided.
func (a *accessRequests) claim(ctx context.Context, id string, now time.Time) (accessRequest, error) {
	q, err := scanRequest(a.db.Row(ctx, `UPDATE tollgate_server.access_requests
		SET claimed = $2, account = CASE account WHEN '' THEN $3 ELSE account END
		WHERE id = $1 AND status = 'pending' AND claimed <= $4 RETURNING `+requestColumns,
		id, now.UnixMicro(), keyfmt.NewID("acct_", now), now.Add(-claimed).UnixMicro()))
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := a.get(ctx, id); err != nil {
			return q, err
		}
		return q, errDecided
	}
	return q, err
}

// release gives a claim back.
func (a *accessRequests) release(ctx context.Context, id string, since time.Time) error {
	_, err := a.db.Exec(ctx, `UPDATE tollgate_server.access_requests SET claimed = 0 WHERE id = $1 AND claimed = $2`, id, since.UnixMicro())
	return err
}

// approved ends a claim with an approval. It returns errDecided if another has
// taken the claim.
func (a *accessRequests) approved(ctx context.Context, id, by string, since, now time.Time) error {
	changed, err := a.db.Exec(ctx, `UPDATE tollgate_server.access_requests SET status = 'approved', decided = $2, decided_by = $3
		WHERE id = $1 AND status = 'pending' AND claimed = $4`, id, now.UnixMicro(), by, since.UnixMicro())
	if err == nil && changed == 0 {
		err = errDecided
	}
	return err
}

// reject decides against a request that nobody is approving. The answer says
// which account a failed approval has left behind, if any.
func (a *accessRequests) reject(ctx context.Context, id, by, reason string, now time.Time) (accessRequest, error) {
	q, err := scanRequest(a.db.Row(ctx, `UPDATE tollgate_server.access_requests
		SET status = 'rejected', decided = $2, decided_by = $3, reason = $4
		WHERE id = $1 AND status = 'pending' AND claimed <= $5 RETURNING `+requestColumns,
		id, now.UnixMicro(), by, reason, now.Add(-claimed).UnixMicro()))
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := a.get(ctx, id); err != nil {
			return q, err
		}
		return q, errDecided
	}
	return q, err
}
