-- The triggers fire whatever session_replication_role is, so that caches hear of rows
-- that logical replication or a restore has written.
ALTER TABLE tollgate.accounts ENABLE ALWAYS TRIGGER changed, ENABLE ALWAYS TRIGGER emptied;
ALTER TABLE tollgate.users ENABLE ALWAYS TRIGGER changed, ENABLE ALWAYS TRIGGER emptied;
ALTER TABLE tollgate.memberships ENABLE ALWAYS TRIGGER changed, ENABLE ALWAYS TRIGGER emptied;
ALTER TABLE tollgate.keys ENABLE ALWAYS TRIGGER changed, ENABLE ALWAYS TRIGGER emptied;
ALTER TABLE tollgate.sessions ENABLE ALWAYS TRIGGER changed, ENABLE ALWAYS TRIGGER emptied;
