-- Of the secrets that the database is used with; they say nothing about those.
-- To give up the keys of a pepper that is lost, delete its row.
CREATE TABLE fingerprints (
	id   TEXT NOT NULL PRIMARY KEY, -- of a pepper, or 'root'
	sum  BLOB NOT NULL CHECK (length(sum) = 32),
	turn INTEGER NOT NULL DEFAULT 0 -- in which it became the newest of some process
) STRICT, WITHOUT ROWID;
