CREATE TABLE threads (
  id uuid PRIMARY KEY,
  title text,
  agent_id uuid NOT NULL,
  model text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX threads_recent ON threads (updated_at, id);

CREATE TABLE runs (
  id uuid PRIMARY KEY,
  thread_id uuid NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  input_message_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  model text NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled', 'interrupted')),
  error_code text,
  error_message text,
  input_tokens bigint,
  output_tokens bigint,
  position bigint NOT NULL,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz
);
CREATE UNIQUE INDEX runs_position ON runs (thread_id, position);
CREATE INDEX runs_input ON runs (input_message_id, position);
CREATE UNIQUE INDEX runs_one_active ON runs (thread_id) WHERE status IN ('queued', 'running');
CREATE INDEX runs_active ON runs (status) WHERE status IN ('queued', 'running');

CREATE TABLE messages (
  id uuid PRIMARY KEY,
  thread_id uuid NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
  run_id uuid REFERENCES runs (id) ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('user', 'assistant')),
  content text NOT NULL,
  position bigint NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX messages_position ON messages (thread_id, position);
CREATE INDEX messages_run ON messages (run_id) WHERE run_id IS NOT NULL;

CREATE TABLE events (
  run_id uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  seq bigint NOT NULL,
  name text NOT NULL,
  data text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (run_id, seq)
);

-- Words are cut at ASCII punctuation, as on SQLite: the parser of tsvector would keep "host.name" and "a/b" whole.
-- A tsvector holds at most 1 MiB, which 200,000 characters never reach.
ALTER TABLE threads ADD COLUMN search tsvector GENERATED ALWAYS AS (
  to_tsvector('simple', translate(coalesce(title, ''), '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)))
) STORED;
CREATE INDEX threads_search ON threads USING gin (search);
ALTER TABLE messages ADD COLUMN search tsvector GENERATED ALWAYS AS (
  to_tsvector('simple', translate(left(content, 200000), '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)))
) STORED;
CREATE INDEX messages_search ON messages USING gin (search);
