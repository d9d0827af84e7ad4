ALTER TABLE tollgate.users DROP COLUMN invitations;
