-- How many were made for the user: the latest alone is good.
ALTER TABLE users ADD COLUMN invitations INTEGER NOT NULL DEFAULT 0;
