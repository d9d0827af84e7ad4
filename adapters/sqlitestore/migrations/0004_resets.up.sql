-- The number of password resets that were begun. Only the latest is valid.
ALTER TABLE users ADD COLUMN resets INTEGER NOT NULL DEFAULT 0;
