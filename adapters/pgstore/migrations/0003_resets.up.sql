-- The number of password resets that were begun. Only the latest is valid.
ALTER TABLE tollgate.users ADD COLUMN resets bigint NOT NULL DEFAULT 0;
