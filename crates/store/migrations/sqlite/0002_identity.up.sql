CREATE TABLE organizations (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `email_key` is the address as it is compared; several users may have the same.
CREATE TABLE users (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  name TEXT NOT NULL,
  email TEXT,
  email_key TEXT,
  email_verified INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
  organization_admin INTEGER NOT NULL CHECK (organization_admin IN (0, 1)),
  disabled_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX users_organization ON users (organization_id, created_at, id);
CREATE INDEX users_email ON users (organization_id, email_key) WHERE email_key IS NOT NULL;

-- Who somebody is to a provider; the key is never the address. `email_key` is the address as it is compared.
CREATE TABLE identities (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  provider TEXT NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  email TEXT,
  email_key TEXT,
  email_verified INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
  origin TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX identities_subject ON identities (provider, issuer, subject);
CREATE INDEX identities_user ON identities (user_id, created_at, id);

-- A way in by address: a password, a link by mail, or both. `address` is the address as it is compared.
CREATE TABLE credentials (
  user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  address TEXT NOT NULL,
  -- When somebody opened a mail that went there; null if nobody has shown that it is theirs.
  address_verified_at INTEGER,
  password_hash TEXT,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX credentials_address ON credentials (organization_id, address);

CREATE TABLE sessions (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  identity_id BLOB REFERENCES identities (id) ON DELETE CASCADE,
  method TEXT NOT NULL,
  provider_session TEXT,
  id_token TEXT,
  refresh_token TEXT,
  refresh_at INTEGER,
  refresh_claimed_at INTEGER,
  refresh_claim BLOB,
  refreshed_at INTEGER,
  user_agent TEXT NOT NULL,
  address TEXT NOT NULL,
  -- When they showed last who they are.
  proved_at INTEGER,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, created_at, id);
CREATE INDEX sessions_identity ON sessions (identity_id);
CREATE INDEX sessions_provider ON sessions (provider_session) WHERE ended_at IS NULL AND provider_session IS NOT NULL;
CREATE INDEX sessions_expires ON sessions (expires_at);
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- What ended: whoever keeps sessions in memory looks here. Of one session, or of all that a user has.
CREATE TABLE revocations (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  session_id BLOB,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_created ON revocations (created_at, id);
CREATE INDEX revocations_user ON revocations (user_id);

-- Logout tokens of providers that were taken, so that none is taken twice, and whom they signed out: one session there, or
-- a subject.
CREATE TABLE logout_tokens (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  provider TEXT NOT NULL,
  token_id TEXT NOT NULL,
  subject TEXT,
  provider_session TEXT,
  taken_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX logout_tokens_id ON logout_tokens (provider, token_id);
CREATE INDEX logout_tokens_taken ON logout_tokens (provider, taken_at);
CREATE INDEX logout_tokens_expires ON logout_tokens (expires_at);

-- What may be used once: links by mail, invitations, password resets. Only the hash is kept.
-- `used_by` is the id of the one use, which tells a batch that is written again from somebody else who comes too late.
CREATE TABLE one_time_tokens (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  user_id BLOB REFERENCES users (id) ON DELETE CASCADE,
  purpose TEXT NOT NULL,
  token_hash BLOB NOT NULL,
  code_hash BLOB,
  attempts INTEGER NOT NULL,
  address TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  used_by BLOB
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_time_tokens_hash ON one_time_tokens (token_hash);
CREATE INDEX one_time_tokens_address ON one_time_tokens (address, created_at);
CREATE INDEX one_time_tokens_expires ON one_time_tokens (expires_at);
CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id);

INSERT INTO organizations (id, name, created_at) VALUES (x'00000000000000000000000000000001', 'Default', unixepoch() * 1000000);
INSERT INTO users (id, organization_id, name, email_verified, organization_admin, created_at, updated_at) VALUES
  (x'00000000000000000000000000000001', x'00000000000000000000000000000001', 'Local user', 0, 0, unixepoch() * 1000000, unixepoch() * 1000000);

-- SQLite adds no column that must have a value and refers to a row, so the tables are made anew, with the same rows under
-- the same numbers: the full-text indexes stay as they are. Foreign keys are off meanwhile, and checked at the end.
CREATE TABLE threads_new (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  owner_user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  title TEXT,
  agent_id BLOB NOT NULL,
  model TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO threads_new (number, id, title, agent_id, model, created_at, updated_at, organization_id, owner_user_id)
  SELECT number, id, title, agent_id, model, created_at, updated_at, x'00000000000000000000000000000001', x'00000000000000000000000000000001' FROM threads;
DROP TABLE threads;
ALTER TABLE threads_new RENAME TO threads;
CREATE UNIQUE INDEX threads_id ON threads (id);
CREATE INDEX threads_recent ON threads (owner_user_id, updated_at, id);
CREATE INDEX threads_owner_created ON threads (owner_user_id, created_at, id);
CREATE INDEX threads_organization_created ON threads (organization_id, created_at, id);
CREATE TRIGGER threads_search_insert AFTER INSERT ON threads BEGIN
  INSERT INTO thread_search (rowid, title) VALUES (new.number, new.title);
END;
CREATE TRIGGER threads_search_delete AFTER DELETE ON threads BEGIN
  INSERT INTO thread_search (thread_search, rowid, title) VALUES ('delete', old.number, old.title);
END;
CREATE TRIGGER threads_search_update AFTER UPDATE OF title ON threads WHEN old.title IS NOT new.title BEGIN
  INSERT INTO thread_search (thread_search, rowid, title) VALUES ('delete', old.number, old.title);
  INSERT INTO thread_search (rowid, title) VALUES (new.number, new.title);
END;

CREATE TABLE runs_new (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  thread_id BLOB NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  input_message_id BLOB NOT NULL,
  agent_id BLOB NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled', 'interrupted')),
  error_code TEXT,
  error_message TEXT,
  input_tokens INTEGER,
  output_tokens INTEGER,
  position INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO runs_new (id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, input_tokens, output_tokens, position, created_at, started_at, finished_at, organization_id)
  SELECT id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, input_tokens, output_tokens, position, created_at, started_at, finished_at, x'00000000000000000000000000000001' FROM runs;
DROP TABLE runs;
ALTER TABLE runs_new RENAME TO runs;
CREATE UNIQUE INDEX runs_position ON runs (thread_id, position);
CREATE INDEX runs_input ON runs (input_message_id, position);
CREATE UNIQUE INDEX runs_one_active ON runs (thread_id) WHERE status IN ('queued', 'running');
CREATE INDEX runs_active ON runs (status) WHERE status IN ('queued', 'running');
CREATE INDEX runs_organization_created ON runs (organization_id, created_at, id);

CREATE TABLE messages_new (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  thread_id BLOB NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  run_id BLOB REFERENCES runs (id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
  content TEXT NOT NULL,
  position INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO messages_new (number, id, thread_id, run_id, role, content, position, created_at, organization_id)
  SELECT number, id, thread_id, run_id, role, content, position, created_at, x'00000000000000000000000000000001' FROM messages;
DROP TABLE messages;
ALTER TABLE messages_new RENAME TO messages;
CREATE UNIQUE INDEX messages_id ON messages (id);
CREATE UNIQUE INDEX messages_position ON messages (thread_id, position);
CREATE INDEX messages_run ON messages (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX messages_organization_created ON messages (organization_id, created_at, id);
CREATE TRIGGER messages_search_insert AFTER INSERT ON messages BEGIN
  INSERT INTO message_search (rowid, content) VALUES (new.number, new.content);
END;
CREATE TRIGGER messages_search_delete AFTER DELETE ON messages BEGIN
  INSERT INTO message_search (message_search, rowid, content) VALUES ('delete', old.number, old.content);
END;
