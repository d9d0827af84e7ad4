-- This also drops the triggers and indexes of each table. The schema stays.
DROP TABLE tollgate.events;
DROP TABLE tollgate.sessions;
DROP TABLE tollgate.keys;
DROP TABLE tollgate.invitations;
DROP TABLE tollgate.memberships;
DROP TABLE tollgate.users;
DROP TABLE tollgate.accounts;
DROP FUNCTION tollgate.emptied();
DROP FUNCTION tollgate.member_changed();
DROP FUNCTION tollgate.changed();
DROP TABLE tollgate.migrations;
