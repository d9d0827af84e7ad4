-- Times are microseconds since 1970 in UTC; NULL is never. Grants and addresses
-- are JSON. Ids compare byte by byte, so that keys sort by age.

CREATE TABLE accounts (
	id      TEXT    NOT NULL PRIMARY KEY,
	name    TEXT    NOT NULL DEFAULT '',
	status  TEXT    NOT NULL, -- 'active', 'read_only', 'suspended'; all else denies
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
	pepper      TEXT    NOT NULL DEFAULT '', -- id of the pepper
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

-- What caches must forget, in the order of the commits. Triggers write it, so
-- that a change made by hand is seen as well. AUTOINCREMENT never uses a
-- number twice and leaves no hole, so a reader knows when it has missed some.
CREATE TABLE changes (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id  TEXT NOT NULL -- of the key or the account
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
-- Every column but used.
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
