-- Version 2 does not know the limits of these records and would grant more.
UPDATE keys SET revoked = strftime('%s', 'now') * 1000000, reason = 'schema taken back to version 2'
	WHERE revoked IS NULL AND (disabled IS NOT NULL OR owner <> '');
DELETE FROM memberships WHERE scope <> '{}';

ALTER TABLE memberships DROP COLUMN scope;
DROP TRIGGER keys_update;
ALTER TABLE keys DROP COLUMN disabled;
ALTER TABLE keys DROP COLUMN import;
ALTER TABLE keys DROP COLUMN owner;
-- The trigger of version 2.
CREATE TRIGGER keys_update AFTER UPDATE OF
	id, account, created_by, name, environment, hint, pepper, sum, grants, addresses, plan,
	created, expires, revoked, reason, family, replaces, grace, idempotency, request
ON keys BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;
