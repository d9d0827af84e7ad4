ALTER TABLE keys ADD COLUMN grace INTEGER NOT NULL DEFAULT 0; -- microseconds
ALTER TABLE keys ADD COLUMN idempotency TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN request BLOB CHECK (length(request) = 32); -- NULL: none

CREATE UNIQUE INDEX keys_idempotency ON keys (account, idempotency) WHERE idempotency <> '';
CREATE INDEX keys_expiring ON keys (account, expires, id) WHERE revoked IS NULL;

-- Every column except used.
DROP TRIGGER keys_update;
CREATE TRIGGER keys_update AFTER UPDATE OF
	id, account, created_by, name, environment, hint, pepper, sum, grants, addresses, plan,
	created, expires, revoked, reason, family, replaces, grace, idempotency, request
ON keys BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;

CREATE TABLE users (
	id       TEXT    NOT NULL PRIMARY KEY,
	email    TEXT    NOT NULL DEFAULT '',
	name     TEXT    NOT NULL DEFAULT '',
	password TEXT    NOT NULL DEFAULT '', -- its hash
	status   TEXT    NOT NULL, -- like accounts.status
	epoch    INTEGER NOT NULL DEFAULT 0,
	created  INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX users_email ON users (email) WHERE email <> '';

CREATE TRIGGER users_insert AFTER INSERT ON users BEGIN
	INSERT INTO changes (id) VALUES (new.id);
END;
CREATE TRIGGER users_delete AFTER DELETE ON users BEGIN
	INSERT INTO changes (id) VALUES (old.id);
END;
CREATE TRIGGER users_update AFTER UPDATE ON users BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;

CREATE TABLE memberships (
	user_id TEXT NOT NULL REFERENCES users (id),
	account TEXT NOT NULL REFERENCES accounts (id),
	role    TEXT NOT NULL DEFAULT '',
	created INTEGER,
	PRIMARY KEY (user_id, account)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX memberships_account ON memberships (account, user_id);

-- A change of a membership is published by the id of its user.
CREATE TRIGGER memberships_insert AFTER INSERT ON memberships BEGIN
	INSERT INTO changes (id) VALUES (new.user_id);
END;
CREATE TRIGGER memberships_delete AFTER DELETE ON memberships BEGIN
	INSERT INTO changes (id) VALUES (old.user_id);
END;
CREATE TRIGGER memberships_update AFTER UPDATE ON memberships BEGIN
	INSERT INTO changes (id) SELECT old.user_id UNION SELECT new.user_id;
END;

-- Only their account knows of invitations. Their changes are not published.
CREATE TABLE invitations (
	id      TEXT NOT NULL PRIMARY KEY,
	account TEXT NOT NULL REFERENCES accounts (id),
	email   TEXT NOT NULL,
	name    TEXT NOT NULL DEFAULT '',
	role    TEXT NOT NULL DEFAULT '',
	scope   TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(scope)), -- a set of ids for each kind of resource
	made_by TEXT NOT NULL DEFAULT '', -- the id of a user, or 'operator'
	created INTEGER,
	expires INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX invitations_account ON invitations (account, id);
CREATE UNIQUE INDEX invitations_email ON invitations (account, email);
CREATE INDEX invitations_expires ON invitations (expires) WHERE expires IS NOT NULL;

-- Without references, because the users may be in another place.
CREATE TABLE sessions (
	id      TEXT    NOT NULL PRIMARY KEY,
	user_id TEXT    NOT NULL,
	account TEXT    NOT NULL DEFAULT '',
	pepper  TEXT    NOT NULL DEFAULT '', -- the id of the pepper
	sum     BLOB    NOT NULL CHECK (length(sum) = 32),
	epoch   INTEGER NOT NULL,
	cookie  INTEGER NOT NULL DEFAULT 0 CHECK (cookie IN (0, 1)),
	created INTEGER,
	seen    INTEGER,
	expires INTEGER,
	revoked INTEGER,
	idle    INTEGER NOT NULL DEFAULT 0, -- microseconds
	address TEXT    NOT NULL DEFAULT '',
	agent   TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX sessions_digest ON sessions (sum, pepper);
CREATE UNIQUE INDEX sessions_user ON sessions (user_id, id);
CREATE INDEX sessions_expires ON sessions (expires) WHERE expires IS NOT NULL;

CREATE TRIGGER sessions_insert AFTER INSERT ON sessions BEGIN
	INSERT INTO changes (id) VALUES (new.id);
END;
CREATE TRIGGER sessions_delete AFTER DELETE ON sessions BEGIN
	INSERT INTO changes (id) VALUES (old.id);
END;
-- Every column except seen.
CREATE TRIGGER sessions_update AFTER UPDATE OF
	id, user_id, account, pepper, sum, epoch, cookie, created, expires, revoked, idle, address, agent
ON sessions BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;

CREATE TABLE events (
	id      TEXT NOT NULL PRIMARY KEY,
	account TEXT NOT NULL DEFAULT '',
	actor   TEXT NOT NULL DEFAULT '',
	kind    TEXT NOT NULL DEFAULT '',
	subject TEXT NOT NULL DEFAULT '',
	address TEXT NOT NULL DEFAULT '',
	at      INTEGER,
	note    TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX events_account ON events (account, id);
