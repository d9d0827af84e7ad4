-- Drops the triggers and indexes of each table with it.
DROP TABLE keys;
DROP TABLE accounts;
DROP TABLE changes;
