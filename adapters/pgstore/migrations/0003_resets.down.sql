ALTER TABLE tollgate.users DROP COLUMN resets;
