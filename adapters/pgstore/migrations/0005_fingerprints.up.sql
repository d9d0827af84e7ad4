-- Of the secrets that the database is used with; they say nothing about those.
-- To give up the keys of a pepper that is lost, delete its row.
CREATE TABLE tollgate.fingerprints (
	id   text COLLATE "C" NOT NULL PRIMARY KEY, -- of a pepper, or 'root'
	sum  bytea NOT NULL CHECK (octet_length(sum) = 32),
	turn integer NOT NULL DEFAULT 0 -- in which it became the newest of some process
);
