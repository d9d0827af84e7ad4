DROP INDEX keys_revoked;
DROP INDEX keys_owner;
DROP INDEX sessions_revoked;
DROP INDEX events_at;
