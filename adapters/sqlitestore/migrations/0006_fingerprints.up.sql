-- Fingerprints of the secrets that the database is used with. They reveal nothing about
-- the secrets. To give up the keys of a pepper that is lost, delete its row.
CREATE TABLE fingerprints (
	id   TEXT NOT NULL PRIMARY KEY, -- the id of a pepper, or 'root'
	sum  BLOB NOT NULL CHECK (length(sum) = 32),
	turn INTEGER NOT NULL DEFAULT 0 -- counts the peppers in the order in which they became the newest of a process
) STRICT, WITHOUT ROWID;
