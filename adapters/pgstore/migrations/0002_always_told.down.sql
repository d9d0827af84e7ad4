ALTER TABLE tollgate.accounts ENABLE TRIGGER changed, ENABLE TRIGGER emptied;
ALTER TABLE tollgate.users ENABLE TRIGGER changed, ENABLE TRIGGER emptied;
ALTER TABLE tollgate.memberships ENABLE TRIGGER changed, ENABLE TRIGGER emptied;
ALTER TABLE tollgate.keys ENABLE TRIGGER changed, ENABLE TRIGGER emptied;
ALTER TABLE tollgate.sessions ENABLE TRIGGER changed, ENABLE TRIGGER emptied;
