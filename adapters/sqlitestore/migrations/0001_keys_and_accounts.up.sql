-- Times are microseconds since 1970 in UTC. NULL means never. Grants and addresses are
-- JSON. Ids compare byte by byte, so that keys sort by age.

CREATE TABLE migrations (
	version INTEGER NOT NULL PRIMARY KEY,
	name    TEXT    NOT NULL,
	since   INTEGER NOT NULL -- the oldest version whose programs work with this one
) STRICT;

CREATE TABLE accounts (
	id      TEXT    NOT NULL PRIMARY KEY,
	name    TEXT    NOT NULL DEFAULT '',
	status  TEXT    NOT NULL, -- 'active', 'read_only' or 'suspended'; any other text denies
	plan    TEXT    NOT NULL DEFAULT '',
	limits  TEXT    NOT NULL DEFAULT '',
	created INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
	id          TEXT    NOT NULL PRIMARY KEY,
	account     TEXT    NOT NULL REFERENCES accounts (id),
	created_by  TEXT    NOT NULL DEFAULT '',
	name        TEXT    NOT NULL DEFAULT '',
	environment TEXT    NOT NULL DEFAULT '',
	hint        TEXT    NOT NULL DEFAULT '',
	pepper      TEXT    NOT NULL DEFAULT '', -- the id of the pepper
	sum         BLOB    NOT NULL CHECK (length(sum) = 32),
	grants      TEXT    NOT NULL CHECK (json_valid(grants)),
	addresses   TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(addresses)),
	plan        TEXT    NOT NULL DEFAULT '',
	created     INTEGER,
	expires     INTEGER,
	revoked     INTEGER,
	used        INTEGER,
	reason      TEXT    NOT NULL DEFAULT '',
	family      TEXT    NOT NULL DEFAULT '',
	replaces    TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX keys_digest ON keys (sum, pepper);
CREATE UNIQUE INDEX keys_account ON keys (account, id);
CREATE UNIQUE INDEX keys_replaces ON keys (replaces) WHERE replaces <> '';
CREATE INDEX keys_expires ON keys (expires) WHERE expires IS NOT NULL;

-- The ids that caches must forget, in the order of the commits. Triggers write them, so
-- that changes made by hand are published, too. AUTOINCREMENT uses no number twice and
-- leaves no hole, so that a reader knows when it has missed a change.
CREATE TABLE changes (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id  TEXT NOT NULL -- of a key, account, user or session
) STRICT;

CREATE TRIGGER changes_bound AFTER INSERT ON changes BEGIN
	DELETE FROM changes WHERE seq <= new.seq - 10000;
END;

CREATE TRIGGER keys_insert AFTER INSERT ON keys BEGIN
	INSERT INTO changes (id) VALUES (new.id);
END;
CREATE TRIGGER keys_delete AFTER DELETE ON keys BEGIN
	INSERT INTO changes (id) VALUES (old.id);
END;
-- Every column except used.
CREATE TRIGGER keys_update AFTER UPDATE OF
	id, account, created_by, name, environment, hint, pepper, sum, grants, addresses, plan,
	created, expires, revoked, reason, family, replaces
ON keys BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;

CREATE TRIGGER accounts_insert AFTER INSERT ON accounts BEGIN
	INSERT INTO changes (id) VALUES (new.id);
END;
CREATE TRIGGER accounts_delete AFTER DELETE ON accounts BEGIN
	INSERT INTO changes (id) VALUES (old.id);
END;
CREATE TRIGGER accounts_update AFTER UPDATE ON accounts BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;
