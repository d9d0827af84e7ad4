ALTER TABLE users DROP COLUMN invitations;
