DROP INDEX tollgate.keys_revoked;
DROP INDEX tollgate.keys_owner;
DROP INDEX tollgate.sessions_revoked;
DROP INDEX tollgate.events_at;
