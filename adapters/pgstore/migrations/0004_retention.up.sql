-- What is deleted once its retention has ended is found by when it ended, and the
-- keys of one person without those of everybody.
CREATE INDEX keys_revoked ON tollgate.keys (revoked) WHERE revoked IS NOT NULL;
CREATE INDEX keys_owner ON tollgate.keys (account, owner, id) WHERE owner <> '';
CREATE INDEX sessions_revoked ON tollgate.sessions (revoked) WHERE revoked IS NOT NULL;
CREATE INDEX events_at ON tollgate.events (at) WHERE at IS NOT NULL;
