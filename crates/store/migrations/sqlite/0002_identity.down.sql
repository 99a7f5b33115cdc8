-- Every conversation stays, whosever it was; who they were goes. Foreign keys are off meanwhile, and checked at the end.
CREATE TABLE threads_old (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  title TEXT,
  agent_id BLOB NOT NULL,
  model TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO threads_old (number, id, title, agent_id, model, created_at, updated_at)
  SELECT number, id, title, agent_id, model, created_at, updated_at FROM threads;
DROP TABLE threads;
ALTER TABLE threads_old RENAME TO threads;
CREATE UNIQUE INDEX threads_id ON threads (id);
CREATE INDEX threads_recent ON threads (updated_at, id);
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

CREATE TABLE runs_old (
  id BLOB NOT NULL PRIMARY KEY,
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
INSERT INTO runs_old (id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, input_tokens, output_tokens, position, created_at, started_at, finished_at)
  SELECT id, thread_id, input_message_id, agent_id, model, status, error_code, error_message, input_tokens, output_tokens, position, created_at, started_at, finished_at FROM runs;
DROP TABLE runs;
ALTER TABLE runs_old RENAME TO runs;
CREATE UNIQUE INDEX runs_position ON runs (thread_id, position);
CREATE INDEX runs_input ON runs (input_message_id, position);
CREATE UNIQUE INDEX runs_one_active ON runs (thread_id) WHERE status IN ('queued', 'running');
CREATE INDEX runs_active ON runs (status) WHERE status IN ('queued', 'running');

CREATE TABLE messages_old (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  thread_id BLOB NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  run_id BLOB REFERENCES runs (id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
  content TEXT NOT NULL,
  position INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO messages_old (number, id, thread_id, run_id, role, content, position, created_at)
  SELECT number, id, thread_id, run_id, role, content, position, created_at FROM messages;
DROP TABLE messages;
ALTER TABLE messages_old RENAME TO messages;
CREATE UNIQUE INDEX messages_id ON messages (id);
CREATE UNIQUE INDEX messages_position ON messages (thread_id, position);
CREATE INDEX messages_run ON messages (run_id) WHERE run_id IS NOT NULL;
CREATE TRIGGER messages_search_insert AFTER INSERT ON messages BEGIN
  INSERT INTO message_search (rowid, content) VALUES (new.number, new.content);
END;
CREATE TRIGGER messages_search_delete AFTER DELETE ON messages BEGIN
  INSERT INTO message_search (message_search, rowid, content) VALUES ('delete', old.number, old.content);
END;

DROP TABLE one_time_tokens;
DROP TABLE logout_tokens;
DROP TABLE revocations;
DROP TABLE sessions;
DROP TABLE credentials;
DROP TABLE identities;
DROP TABLE users;
DROP TABLE organizations;
