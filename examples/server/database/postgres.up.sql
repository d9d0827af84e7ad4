-- The schema itself is there already. Times are microseconds since 1970; 0 is
-- never. What is looked up or put in order compares byte by byte, whatever the
-- collation of the database. Beside the tables of SQLite, sqlite.sql.

CREATE TABLE tollgate_server.migrations (
	version integer NOT NULL PRIMARY KEY,
	name    text NOT NULL,
	since   integer NOT NULL -- the oldest version whose programs work with this one
);

CREATE TABLE tollgate_server.documents (
	account     text COLLATE "C" NOT NULL,
	environment text COLLATE "C" NOT NULL,
	collection  text COLLATE "C" NOT NULL,
	parent      text COLLATE "C" NOT NULL,
	id          text COLLATE "C" NOT NULL,
	body        text NOT NULL, -- a JSON object
	created     bigint NOT NULL,
	PRIMARY KEY (account, environment, collection, parent, id)
);

CREATE TABLE tollgate_server.access_requests (
	id              text COLLATE "C" NOT NULL PRIMARY KEY,
	status          text COLLATE "C" NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected')),
	organization    text NOT NULL,
	use_case        text NOT NULL,
	expected_volume text NOT NULL,
	email           text NOT NULL,
	name            text NOT NULL,
	created         bigint NOT NULL,
	claimed         bigint NOT NULL DEFAULT 0, -- since when it is being approved
	account         text NOT NULL DEFAULT '',  -- that approving it makes
	decided         bigint NOT NULL DEFAULT 0,
	decided_by      text NOT NULL DEFAULT '',
	reason          text NOT NULL DEFAULT ''
);

CREATE INDEX access_requests_status ON tollgate_server.access_requests (status, id);

CREATE TABLE tollgate_server.webhooks (
	id        text COLLATE "C" NOT NULL PRIMARY KEY,
	account   text COLLATE "C" NOT NULL,
	url       text NOT NULL,
	kinds     text NOT NULL,             -- with spaces between; none: all
	created   bigint NOT NULL,
	attempted bigint NOT NULL DEFAULT 0, -- when the latest attempt began
	busy      bigint NOT NULL DEFAULT 0, -- until when an attempt may be under way
	delivered bigint NOT NULL DEFAULT 0, -- when the latest success was
	failed    bigint NOT NULL DEFAULT 0, -- when the latest failure was
	failures  bigint NOT NULL DEFAULT 0, -- since the latest success
	error     text NOT NULL DEFAULT '',  -- of the latest failure
	dropped   bigint NOT NULL DEFAULT 0,
	gone      bigint NOT NULL DEFAULT 0
);

CREATE INDEX webhooks_account ON tollgate_server.webhooks (account);

CREATE TABLE tollgate_server.deliveries (
	endpoint text COLLATE "C" NOT NULL,
	event    text COLLATE "C" NOT NULL,
	body     text NOT NULL,             -- '' once settled
	attempts bigint NOT NULL DEFAULT 0,
	due      bigint,                    -- NULL once settled: delivered or given up
	settled  bigint NOT NULL DEFAULT 0,
	error    text NOT NULL DEFAULT '',  -- of the latest attempt; '' once delivered
	PRIMARY KEY (endpoint, event)
);

CREATE INDEX deliveries_due ON tollgate_server.deliveries (endpoint, due) WHERE due IS NOT NULL;

CREATE TABLE tollgate_server.leak_reports (
	id       bytea NOT NULL PRIMARY KEY, -- SHA-256 of what is sealed
	received bigint NOT NULL,
	sealed   bytea NOT NULL,             -- AES-256-GCM
	busy     bigint NOT NULL DEFAULT 0,  -- until when it may be being handled
	origin   text NOT NULL DEFAULT ''    -- which network sent it, as a keyed hash; '' once verified
);

CREATE INDEX leak_reports_received ON tollgate_server.leak_reports (received, id);
