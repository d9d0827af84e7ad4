ALTER TABLE keys ADD COLUMN owner TEXT NOT NULL DEFAULT ''; -- a user, who may be kept elsewhere
ALTER TABLE keys ADD COLUMN import TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN disabled INTEGER;

-- Every column but used.
DROP TRIGGER keys_update;
CREATE TRIGGER keys_update AFTER UPDATE OF
	id, account, created_by, name, environment, hint, pepper, sum, grants, addresses, plan,
	created, expires, revoked, reason, family, replaces, grace, idempotency, request,
	owner, import, disabled
ON keys BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;

-- Sets of ids by kind of resource, in JSON.
ALTER TABLE memberships ADD COLUMN scope TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(scope));
