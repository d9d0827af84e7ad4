-- Fingerprints of the secrets that the database is used with. They reveal nothing about
-- the secrets. To give up the keys of a pepper that is lost, delete its row.
CREATE TABLE tollgate.fingerprints (
	id   text COLLATE "C" NOT NULL PRIMARY KEY, -- the id of a pepper, or 'root'
	sum  bytea NOT NULL CHECK (octet_length(sum) = 32),
	turn integer NOT NULL DEFAULT 0 -- counts the peppers in the order in which they became the newest of a process
);
