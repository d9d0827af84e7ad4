-- This also drops the triggers and indexes of each table.
DROP TABLE events;
DROP TABLE sessions;
DROP TABLE invitations;
DROP TABLE memberships;
DROP TABLE users;

DROP TRIGGER keys_update;
DROP INDEX keys_expiring;
DROP INDEX keys_idempotency;
ALTER TABLE keys DROP COLUMN request;
ALTER TABLE keys DROP COLUMN idempotency;
ALTER TABLE keys DROP COLUMN grace;
-- The trigger of version 1.
CREATE TRIGGER keys_update AFTER UPDATE OF
	id, account, created_by, name, environment, hint, pepper, sum, grants, addresses, plan,
	created, expires, revoked, reason, family, replaces
ON keys BEGIN
	INSERT INTO changes (id) SELECT old.id UNION SELECT new.id;
END;
