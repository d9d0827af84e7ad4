-- Times are microseconds since 1970; 0 is never.

CREATE TABLE tollgate_server.server_migrations (
	version INTEGER NOT NULL PRIMARY KEY,
	name    TEXT NOT NULL,
	since   INTEGER NOT NULL -- the oldest version whose programs work with this one
) STRICT;

CREATE TABLE tollgate_server.documents (
	account     TEXT NOT NULL,
	environment TEXT NOT NULL,
	collection  TEXT NOT NULL,
	parent      TEXT NOT NULL,
	id          TEXT NOT NULL,
	body        TEXT NOT NULL, -- a JSON object
	created     INTEGER NOT NULL,
	PRIMARY KEY (account, environment, collection, parent, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tollgate_server.access_requests (
	id              TEXT NOT NULL PRIMARY KEY,
	status          TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected')),
	organization    TEXT NOT NULL,
	use_case        TEXT NOT NULL,
	expected_volume TEXT NOT NULL,
	email           TEXT NOT NULL,
	name            TEXT NOT NULL,
	created         INTEGER NOT NULL,
	claimed         INTEGER NOT NULL DEFAULT 0, -- since when it is being approved
	account         TEXT NOT NULL DEFAULT '',   -- that approving it makes
	decided         INTEGER NOT NULL DEFAULT 0,
	decided_by      TEXT NOT NULL DEFAULT '',
	reason          TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX tollgate_server.access_requests_status ON access_requests (status, id);

CREATE TABLE tollgate_server.webhooks (
	id        TEXT NOT NULL PRIMARY KEY,
	account   TEXT NOT NULL,
	url       TEXT NOT NULL,
	kinds     TEXT NOT NULL,              -- with spaces between; none: all
	created   INTEGER NOT NULL,
	attempted INTEGER NOT NULL DEFAULT 0, -- when the latest attempt began
	busy      INTEGER NOT NULL DEFAULT 0, -- until when an attempt may be under way
	delivered INTEGER NOT NULL DEFAULT 0, -- when the latest success was
	failed    INTEGER NOT NULL DEFAULT 0, -- when the latest failure was
	failures  INTEGER NOT NULL DEFAULT 0, -- since the latest success
	error     TEXT NOT NULL DEFAULT '',   -- of the latest failure
	dropped   INTEGER NOT NULL DEFAULT 0,
	gone      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tollgate_server.webhooks_account ON webhooks (account);

CREATE TABLE tollgate_server.deliveries (
	endpoint TEXT NOT NULL,
	event    TEXT NOT NULL,
	body     TEXT NOT NULL,              -- '' once settled
	attempts INTEGER NOT NULL DEFAULT 0,
	due      INTEGER,                    -- NULL once settled: delivered or given up
	settled  INTEGER NOT NULL DEFAULT 0,
	error    TEXT NOT NULL DEFAULT '',   -- of the latest attempt; '' once delivered
	PRIMARY KEY (endpoint, event)
) STRICT;
CREATE INDEX tollgate_server.deliveries_due ON deliveries (endpoint, due) WHERE due IS NOT NULL;

CREATE TABLE tollgate_server.leak_reports (
	id       BLOB NOT NULL PRIMARY KEY,          -- SHA-256 of what is sealed
	received INTEGER NOT NULL,
	sealed   BLOB NOT NULL,                      -- AES-256-GCM
	busy     INTEGER NOT NULL DEFAULT 0,         -- until when it may be being handled
	origin   TEXT NOT NULL DEFAULT ''            -- which network sent it, as a keyed hash; '' once verified
) STRICT;
CREATE INDEX tollgate_server.leak_reports_received ON leak_reports (received, id);
