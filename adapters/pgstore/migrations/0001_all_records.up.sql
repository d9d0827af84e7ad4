-- The schema itself exists already.
--
-- Times are timestamptz, which has microseconds. NULL means never.
-- Grants, addresses and scopes are json and not jsonb: json returns what was written
-- byte for byte, even what only a newer release understands.
-- Columns by which rows are found or sorted compare byte by byte, whatever the collation
-- of the database. So keys sort by age, and two spellings are two emails.

CREATE TABLE tollgate.migrations (
	version integer NOT NULL PRIMARY KEY,
	name    text NOT NULL,
	since   integer NOT NULL -- the oldest version whose programs work with this one
);

CREATE TABLE tollgate.accounts (
	id      text COLLATE "C" NOT NULL PRIMARY KEY,
	name    text NOT NULL DEFAULT '',
	status  text NOT NULL, -- 'active', 'read_only' or 'suspended'; any other text denies
	plan    text NOT NULL DEFAULT '',
	limits  text NOT NULL DEFAULT '',
	created timestamptz
);

CREATE TABLE tollgate.users (
	id       text COLLATE "C" NOT NULL PRIMARY KEY,
	email    text COLLATE "C" NOT NULL DEFAULT '',
	name     text NOT NULL DEFAULT '',
	password text COLLATE "C" NOT NULL DEFAULT '', -- its hash
	status   text NOT NULL, -- like accounts.status
	epoch    bigint NOT NULL DEFAULT 0,
	created  timestamptz
);

CREATE UNIQUE INDEX users_email ON tollgate.users (email) WHERE email <> '';

-- The column is called user_id because user is a function in SQL: WHERE user = 'user_1'
-- would compare the role of the connection.
CREATE TABLE tollgate.memberships (
	user_id text COLLATE "C" NOT NULL REFERENCES tollgate.users (id),
	account text COLLATE "C" NOT NULL REFERENCES tollgate.accounts (id),
	role    text NOT NULL DEFAULT '',
	scope   json NOT NULL DEFAULT '{}' CHECK (json_typeof(scope) = 'object'), -- a set of ids for each kind of resource
	created timestamptz,
	PRIMARY KEY (user_id, account)
);

CREATE UNIQUE INDEX memberships_account ON tollgate.memberships (account, user_id);

-- Only their account knows of invitations. Their changes are not published.
CREATE TABLE tollgate.invitations (
	id      text COLLATE "C" NOT NULL PRIMARY KEY,
	account text COLLATE "C" NOT NULL REFERENCES tollgate.accounts (id),
	email   text COLLATE "C" NOT NULL,
	name    text NOT NULL DEFAULT '',
	role    text NOT NULL DEFAULT '',
	scope   json NOT NULL DEFAULT '{}' CHECK (json_typeof(scope) = 'object'),
	made_by text NOT NULL DEFAULT '', -- the id of a user, or 'operator'
	created timestamptz,
	expires timestamptz
);

CREATE UNIQUE INDEX invitations_account ON tollgate.invitations (account, id);
CREATE UNIQUE INDEX invitations_email ON tollgate.invitations (account, email);
CREATE INDEX invitations_expires ON tollgate.invitations (expires) WHERE expires IS NOT NULL;

-- Every page has room for another version of a row, so that recording a use changes no
-- index.
CREATE TABLE tollgate.keys (
	id          text COLLATE "C" NOT NULL PRIMARY KEY,
	account     text COLLATE "C" NOT NULL REFERENCES tollgate.accounts (id),
	owner       text COLLATE "C" NOT NULL DEFAULT '', -- the id of a user, who may be in another place
	created_by  text COLLATE "C" NOT NULL DEFAULT '',
	name        text NOT NULL DEFAULT '',
	environment text NOT NULL DEFAULT '',
	hint        text NOT NULL DEFAULT '',
	pepper      text COLLATE "C" NOT NULL DEFAULT '', -- the id of the pepper
	sum         bytea NOT NULL CHECK (octet_length(sum) = 32),
	import      text NOT NULL DEFAULT '',
	grants      json NOT NULL CHECK (json_typeof(grants) = 'object'),
	addresses   json NOT NULL DEFAULT '[]' CHECK (json_typeof(addresses) = 'array'),
	plan        text NOT NULL DEFAULT '',
	created     timestamptz,
	expires     timestamptz,
	revoked     timestamptz,
	disabled    timestamptz,
	used        timestamptz,
	reason      text NOT NULL DEFAULT '',
	family      text NOT NULL DEFAULT '',
	replaces    text COLLATE "C" NOT NULL DEFAULT '',
	grace       bigint NOT NULL DEFAULT 0, -- microseconds
	idempotency text COLLATE "C" NOT NULL DEFAULT '',
	request     bytea CHECK (octet_length(request) = 32) -- NULL: none
) WITH (fillfactor = 90);

CREATE UNIQUE INDEX keys_digest ON tollgate.keys (sum, pepper);
CREATE UNIQUE INDEX keys_account ON tollgate.keys (account, id);
CREATE UNIQUE INDEX keys_replaces ON tollgate.keys (replaces) WHERE replaces <> '';
CREATE UNIQUE INDEX keys_idempotency ON tollgate.keys (account, idempotency) WHERE idempotency <> '';
CREATE INDEX keys_expiring ON tollgate.keys (account, expires, id) WHERE revoked IS NULL;
CREATE INDEX keys_expires ON tollgate.keys (expires) WHERE expires IS NOT NULL;

-- Without references, because the users may be in another place.
CREATE TABLE tollgate.sessions (
	id      text COLLATE "C" NOT NULL PRIMARY KEY,
	user_id text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL DEFAULT '',
	pepper  text COLLATE "C" NOT NULL DEFAULT '', -- id of the pepper
	sum     bytea NOT NULL CHECK (octet_length(sum) = 32),
	epoch   bigint NOT NULL,
	cookie  boolean NOT NULL DEFAULT false,
	created timestamptz,
	seen    timestamptz,
	expires timestamptz,
	revoked timestamptz,
	idle    bigint NOT NULL DEFAULT 0, -- microseconds
	address text NOT NULL DEFAULT '',
	agent   text NOT NULL DEFAULT ''
) WITH (fillfactor = 90);

CREATE UNIQUE INDEX sessions_digest ON tollgate.sessions (sum, pepper);
CREATE UNIQUE INDEX sessions_user ON tollgate.sessions (user_id, id);
CREATE INDEX sessions_expires ON tollgate.sessions (expires) WHERE expires IS NOT NULL;

CREATE TABLE tollgate.events (
	id      text COLLATE "C" NOT NULL PRIMARY KEY,
	account text COLLATE "C" NOT NULL DEFAULT '',
	actor   text NOT NULL DEFAULT '',
	kind    text NOT NULL DEFAULT '',
	subject text NOT NULL DEFAULT '',
	address text NOT NULL DEFAULT '',
	at      timestamptz,
	note    text NOT NULL DEFAULT ''
);

CREATE UNIQUE INDEX events_account ON tollgate.events (account, id);

-- Changes are published on the channel with the name of the schema, in the transaction
-- of the change, even if it is made by hand. The payload is the id that caches must
-- forget. If it is empty, they must forget everything.

CREATE FUNCTION tollgate.changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN PERFORM pg_catalog.pg_notify(TG_TABLE_SCHEMA, OLD.id); END IF;
	IF TG_OP <> 'DELETE' THEN PERFORM pg_catalog.pg_notify(TG_TABLE_SCHEMA, NEW.id); END IF;
	RETURN NULL;
END $$;

-- A change of a membership is published by the id of its user.
CREATE FUNCTION tollgate.member_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN PERFORM pg_catalog.pg_notify(TG_TABLE_SCHEMA, OLD.user_id); END IF;
	IF TG_OP <> 'DELETE' THEN PERFORM pg_catalog.pg_notify(TG_TABLE_SCHEMA, NEW.user_id); END IF;
	RETURN NULL;
END $$;

CREATE FUNCTION tollgate.emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.pg_notify(TG_TABLE_SCHEMA, '');
	RETURN NULL;
END $$;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON tollgate.accounts
	FOR EACH ROW EXECUTE FUNCTION tollgate.changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON tollgate.users
	FOR EACH ROW EXECUTE FUNCTION tollgate.changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON tollgate.memberships
	FOR EACH ROW EXECUTE FUNCTION tollgate.member_changed();
-- Every column except used.
CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE OF
	id, account, owner, created_by, name, environment, hint, pepper, sum, import, grants, addresses, plan,
	created, expires, revoked, disabled, reason, family, replaces, grace, idempotency, request
	ON tollgate.keys FOR EACH ROW EXECUTE FUNCTION tollgate.changed();
-- Every column except seen.
CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE OF
	id, user_id, account, pepper, sum, epoch, cookie, created, expires, revoked, idle, address, agent
	ON tollgate.sessions FOR EACH ROW EXECUTE FUNCTION tollgate.changed();

CREATE TRIGGER emptied AFTER TRUNCATE ON tollgate.accounts EXECUTE FUNCTION tollgate.emptied();
CREATE TRIGGER emptied AFTER TRUNCATE ON tollgate.users EXECUTE FUNCTION tollgate.emptied();
CREATE TRIGGER emptied AFTER TRUNCATE ON tollgate.memberships EXECUTE FUNCTION tollgate.emptied();
CREATE TRIGGER emptied AFTER TRUNCATE ON tollgate.keys EXECUTE FUNCTION tollgate.emptied();
CREATE TRIGGER emptied AFTER TRUNCATE ON tollgate.sessions EXECUTE FUNCTION tollgate.emptied();
