-- `slug` is the name for addresses and rules, and never changes what it is the name of. `name_key` is the name as it is compared.
CREATE TABLE teams (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX teams_slug ON teams (organization_id, slug);
CREATE UNIQUE INDEX teams_name ON teams (organization_id, name_key);
CREATE INDEX teams_created ON teams (organization_id, created_at, id);

-- Of those that a rule made, which group of which provider gave it, and when the provider last said so.
CREATE TABLE memberships (
  team_id BLOB NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  role TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
  origin TEXT NOT NULL CHECK (origin IN ('default', 'person', 'invitation', 'rule')),
  rule_provider TEXT,
  rule_group TEXT,
  evidence_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (team_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_user ON memberships (user_id, team_id);
CREATE INDEX memberships_created ON memberships (team_id, created_at, user_id);
CREATE INDEX memberships_by_rule ON memberships (user_id, rule_provider) WHERE origin = 'rule';
CREATE INDEX memberships_admins ON memberships (team_id, user_id) WHERE role = 'admin';

-- `address` is the only address for which it counts, as it is compared; null if it counts for whoever has the link.
-- `mailed`: its link went there by mail, and nobody else has seen it. `invited_by` is null of those from the console.
-- `used_by` is the id of the one use, which tells a batch that is written again from somebody else who comes too late.
CREATE TABLE invitations (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  team_id BLOB NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
  address TEXT,
  mailed INTEGER NOT NULL CHECK (mailed IN (0, 1)),
  token_hash BLOB NOT NULL,
  invited_by BLOB REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  accepted_at INTEGER,
  accepted_by BLOB REFERENCES users (id) ON DELETE CASCADE,
  used_by BLOB
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX invitations_hash ON invitations (token_hash);
CREATE INDEX invitations_created ON invitations (team_id, created_at, id);
CREATE INDEX invitations_open ON invitations (team_id, created_at, id) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_expires ON invitations (expires_at);
CREATE INDEX invitations_by ON invitations (invited_by) WHERE invited_by IS NOT NULL;
CREATE INDEX invitations_accepted ON invitations (accepted_by) WHERE accepted_by IS NOT NULL;

-- Only the hash is kept of a key, and its beginning to know it by. `scopes` are separated by blanks.
CREATE TABLE api_keys (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  team_id BLOB NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  key_hash BLOB NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_keys_hash ON api_keys (key_hash);
CREATE INDEX api_keys_user ON api_keys (user_id, created_at, id);
CREATE INDEX api_keys_team ON api_keys (team_id, created_at, id);

-- `version` counts its changes. `declared` ones stand in the configuration. An agent that was deleted is kept for the
-- conversations that it took part in; its slug is free again.
CREATE TABLE agents (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  team_id BLOB NOT NULL REFERENCES teams (id),
  maker_id BLOB REFERENCES users (id) ON DELETE SET NULL,
  slug TEXT NOT NULL,
  version INTEGER NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  instructions TEXT NOT NULL,
  model TEXT,
  max_turns INTEGER,
  max_tokens INTEGER,
  max_seconds INTEGER,
  sharing TEXT NOT NULL CHECK (sharing IN ('private', 'team', 'organization')),
  remote_api INTEGER NOT NULL CHECK (remote_api IN (0, 1)),
  declared INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX agents_slug ON agents (team_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX agents_team ON agents (team_id, sharing, id);
CREATE INDEX agents_maker ON agents (maker_id);
CREATE INDEX agents_shared ON agents (organization_id, sharing) WHERE deleted_at IS NULL;
CREATE INDEX agents_declared ON agents (organization_id, declared) WHERE declared IS NOT NULL;

-- What an agent was when a run used it. Of a version that was private its maker alone is told, whatever it is now.
CREATE TABLE agent_versions (
  agent_id BLOB NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  instructions TEXT NOT NULL,
  model TEXT,
  max_turns INTEGER,
  max_tokens INTEGER,
  max_seconds INTEGER,
  sharing TEXT NOT NULL CHECK (sharing IN ('private', 'team', 'organization')),
  changed_by BLOB REFERENCES users (id) ON DELETE SET NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (agent_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_versions_changed ON agent_versions (changed_by) WHERE changed_by IS NOT NULL;

-- Who did what. Each row's hash is of the row and of the hash before it. Who was concerned is named by id alone, so that
-- this stays when they go.
CREATE TABLE audit_events (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  seq INTEGER NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  actor_id BLOB,
  via TEXT NOT NULL,
  via_id TEXT,
  action TEXT NOT NULL,
  target_kind TEXT,
  target_id TEXT,
  user_id BLOB,
  team_id BLOB,
  outcome TEXT NOT NULL,
  reason TEXT,
  details TEXT,
  request_id TEXT,
  address TEXT,
  hash BLOB NOT NULL,
  PRIMARY KEY (organization_id, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX audit_events_id ON audit_events (id);
CREATE INDEX audit_events_at ON audit_events (organization_id, at);
CREATE INDEX audit_events_actor ON audit_events (actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_events_user ON audit_events (user_id, seq) WHERE user_id IS NOT NULL;
CREATE INDEX audit_events_team ON audit_events (team_id, seq) WHERE team_id IS NOT NULL;
CREATE INDEX audit_events_action ON audit_events (action, seq);
CREATE INDEX audit_events_target ON audit_events (target_id, seq) WHERE target_id IS NOT NULL;

-- The last row of each organization, and the last that was let go of: what comes after it is kept, and is never changed.
CREATE TABLE audit_heads (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  forgotten_seq INTEGER NOT NULL,
  forgotten_hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_events_keep BEFORE DELETE ON audit_events
  WHEN old.seq > (SELECT forgotten_seq FROM audit_heads WHERE organization_id = old.organization_id)
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_events_stay BEFORE UPDATE ON audit_events BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- What was used in a month (such as 202611, UTC), counted when runs end; it stays when conversations go. Of `estimated_runs`
-- the model's server did not say what they took.
CREATE TABLE usage_months (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  month INTEGER NOT NULL,
  user_id BLOB NOT NULL,
  team_id BLOB NOT NULL,
  agent_id BLOB NOT NULL,
  model TEXT NOT NULL,
  runs INTEGER NOT NULL,
  estimated_runs INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  PRIMARY KEY (organization_id, month, user_id, team_id, agent_id, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_months_team ON usage_months (team_id, month, user_id, agent_id, model);

-- The same of each user, team, agent and model by itself: what is left of a budget is in one row. `subject_id` is nil for
-- models, `model` is empty for all others.
CREATE TABLE usage_totals (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  kind TEXT NOT NULL CHECK (kind IN ('user', 'team', 'agent', 'model')),
  month INTEGER NOT NULL,
  subject_id BLOB NOT NULL,
  model TEXT NOT NULL,
  runs INTEGER NOT NULL,
  estimated_runs INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  PRIMARY KEY (organization_id, kind, month, subject_id, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_totals_subject ON usage_totals (subject_id, kind, month);

-- How many tokens a user or a team may use in a month; null for as many as they want. Who has no row has what the
-- configuration says.
CREATE TABLE budgets (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  kind TEXT NOT NULL CHECK (kind IN ('user', 'team')),
  subject_id BLOB NOT NULL,
  tokens INTEGER,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, kind, subject_id)
) STRICT, WITHOUT ROWID;

-- How many tokens are held back for a run that is under way, from whose budgets.
CREATE TABLE reservations (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  kind TEXT NOT NULL CHECK (kind IN ('user', 'team')),
  subject_id BLOB NOT NULL,
  run_id BLOB NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  tokens INTEGER NOT NULL,
  PRIMARY KEY (organization_id, kind, subject_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_run ON reservations (run_id);

-- How far somebody's offboarding is: a JSON object, which becomes its report. `version` counts what was written, and `batch`
-- tells the same once more from what somebody else writes meanwhile.
CREATE TABLE offboardings (
  user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  version INTEGER NOT NULL,
  batch BLOB NOT NULL,
  report TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the configuration said at the last start.
CREATE TABLE settings (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (organization_id, name)
) STRICT, WITHOUT ROWID;

INSERT INTO teams (id, organization_id, slug, name, name_key, created_at, updated_at) VALUES
  (x'00000000000000000000000000000001', x'00000000000000000000000000000001', 'default', 'Default', 'default', unixepoch() * 1000000, unixepoch() * 1000000);
-- Its admins are the local user and whoever was made an administrator; others may use what is there.
INSERT INTO memberships (team_id, user_id, organization_id, role, origin, created_at, updated_at)
  SELECT x'00000000000000000000000000000001', id, organization_id,
    CASE WHEN organization_admin = 1 OR id = x'00000000000000000000000000000001' THEN 'admin' ELSE 'viewer' END,
    'default', unixepoch() * 1000000, unixepoch() * 1000000
  FROM users WHERE organization_id = x'00000000000000000000000000000001';
INSERT INTO audit_heads (organization_id, seq, hash, forgotten_seq, forgotten_hash)
  SELECT id, 0, zeroblob(32), 0, zeroblob(32) FROM organizations;

-- SQLite adds no column that must have a value and refers to a row, so the table is made anew, with the same rows under the
-- same numbers. Foreign keys are off meanwhile, and checked at the end.
CREATE TABLE threads_new (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  owner_user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  team_id BLOB NOT NULL REFERENCES teams (id),
  title TEXT,
  agent_id BLOB NOT NULL,
  model TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO threads_new (number, id, organization_id, owner_user_id, team_id, title, agent_id, model, created_at, updated_at)
  SELECT number, id, organization_id, owner_user_id, x'00000000000000000000000000000001', title, agent_id, model, created_at, updated_at FROM threads;
DROP TABLE threads;
ALTER TABLE threads_new RENAME TO threads;
CREATE UNIQUE INDEX threads_id ON threads (id);
CREATE INDEX threads_recent ON threads (owner_user_id, updated_at, id);
CREATE INDEX threads_owner_created ON threads (owner_user_id, created_at, id);
CREATE INDEX threads_organization_created ON threads (organization_id, created_at, id);
CREATE INDEX threads_team_created ON threads (team_id, created_at, id);
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

-- By how a name begins, whatever the case of A to Z.
CREATE INDEX users_name ON users (organization_id, lower(name), id);

-- When somebody said that the address is theirs, by which nobody is named until a mail shows it. None where whoever has the
-- machine gave it, or a mail led to it.
ALTER TABLE credentials ADD COLUMN claimed_at INTEGER;

-- When its provider was asked in which groups somebody is, the last time that it could tell.
ALTER TABLE identities ADD COLUMN groups_at INTEGER;

-- With which version of its agent, and through which key.
ALTER TABLE runs ADD COLUMN agent_version INTEGER;
ALTER TABLE runs ADD COLUMN api_key_id BLOB;
CREATE INDEX runs_agent ON runs (agent_id, agent_version) WHERE agent_version IS NOT NULL;

-- What was used before. A model's server may have said any number.
INSERT INTO usage_months
  SELECT t.organization_id, CAST(strftime('%Y%m', r.finished_at / 1000000, 'unixepoch') AS INTEGER), t.owner_user_id, t.team_id,
    r.agent_id, r.model, COUNT(*), COUNT(*) - COUNT(r.input_tokens), SUM(MIN(COALESCE(r.input_tokens, 0), 1000000000)),
    SUM(MIN(COALESCE(r.output_tokens, 0), 1000000000))
  FROM runs r JOIN threads t ON t.id = r.thread_id WHERE r.finished_at IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO usage_totals
  SELECT organization_id, 'user', month, user_id, '', SUM(runs), SUM(estimated_runs), SUM(input_tokens), SUM(output_tokens)
  FROM usage_months GROUP BY 1, 3, 4;
INSERT INTO usage_totals
  SELECT organization_id, 'team', month, team_id, '', SUM(runs), SUM(estimated_runs), SUM(input_tokens), SUM(output_tokens)
  FROM usage_months GROUP BY 1, 3, 4;
INSERT INTO usage_totals
  SELECT organization_id, 'agent', month, agent_id, '', SUM(runs), SUM(estimated_runs), SUM(input_tokens), SUM(output_tokens)
  FROM usage_months GROUP BY 1, 3, 4;
INSERT INTO usage_totals
  SELECT organization_id, 'model', month, zeroblob(16), model, SUM(runs), SUM(estimated_runs), SUM(input_tokens), SUM(output_tokens)
  FROM usage_months GROUP BY 1, 3, 5;
