-- How many were made for the user: the latest alone is good.
ALTER TABLE tollgate.users ADD COLUMN invitations bigint NOT NULL DEFAULT 0;
