DROP TABLE tollgate.fingerprints;
