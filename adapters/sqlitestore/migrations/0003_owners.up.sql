ALTER TABLE keys ADD COLUMN owner TEXT NOT NULL DEFAULT ''; -- the id of a user, who may be in another place
ALTER TABLE keys ADD COLUMN import TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN disabled INTEGER;

-- Every column except used.
DROP TRIGGER keys_update;
CREATE TRIGGER keys_update AFTER UPDATE OF
	id, account, created_by, name, environment, hint, pepper, sum, grants, addresses, plan,
	created, expires, revoked, reason, family, replaces, grace, idempotency, request,
	owner, import, disabled
ON keys BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;

-- A set of ids for each kind of resource, in JSON.
ALTER TABLE memberships ADD COLUMN scope TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(scope));
