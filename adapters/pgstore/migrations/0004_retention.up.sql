-- Indexes for the records that are deleted some time after they ended, and for the keys
-- of one user.
CREATE INDEX keys_revoked ON tollgate.keys (revoked) WHERE revoked IS NOT NULL;
CREATE INDEX keys_owner ON tollgate.keys (account, owner, id) WHERE owner <> '';
CREATE INDEX sessions_revoked ON tollgate.sessions (revoked) WHERE revoked IS NOT NULL;
CREATE INDEX events_at ON tollgate.events (at) WHERE at IS NOT NULL;
