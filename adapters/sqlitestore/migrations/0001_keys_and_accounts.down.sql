-- This also drops the triggers and indexes of each table.
DROP TABLE keys;
DROP TABLE accounts;
DROP TABLE changes;
DROP TABLE migrations;
