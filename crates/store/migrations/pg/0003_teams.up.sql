-- `slug` is the name for addresses and rules, and never changes what it is the name of. `name_key` is the name as it is compared.
CREATE TABLE teams (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  slug text NOT NULL,
  name text NOT NULL,
  name_key text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX teams_slug ON teams (organization_id, slug);
CREATE UNIQUE INDEX teams_name ON teams (organization_id, name_key);
CREATE INDEX teams_created ON teams (organization_id, created_at, id);

-- Of those that a rule made, which group of which provider gave it, and when the provider last said so.
CREATE TABLE memberships (
  team_id uuid NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
  origin text NOT NULL CHECK (origin IN ('default', 'person', 'invitation', 'rule')),
  rule_provider text,
  rule_group text,
  evidence_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (team_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id, team_id);
CREATE INDEX memberships_created ON memberships (team_id, created_at, user_id);
CREATE INDEX memberships_by_rule ON memberships (user_id, rule_provider) WHERE origin = 'rule';
CREATE INDEX memberships_admins ON memberships (team_id, user_id) WHERE role = 'admin';

-- `address` is the only address for which it counts, as it is compared; null if it counts for whoever has the link.
-- `mailed`: its link went there by mail, and nobody else has seen it. `invited_by` is null of those from the console.
-- `used_by` is the id of the one use, which tells a batch that is written again from somebody else who comes too late.
CREATE TABLE invitations (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  team_id uuid NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
  address text,
  mailed boolean NOT NULL,
  token_hash bytea NOT NULL,
  invited_by uuid REFERENCES users (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  accepted_at timestamptz,
  accepted_by uuid REFERENCES users (id) ON DELETE CASCADE,
  used_by uuid
);
CREATE UNIQUE INDEX invitations_hash ON invitations (token_hash);
CREATE INDEX invitations_created ON invitations (team_id, created_at, id);
CREATE INDEX invitations_open ON invitations (team_id, created_at, id) WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX invitations_expires ON invitations (expires_at);
CREATE INDEX invitations_by ON invitations (invited_by) WHERE invited_by IS NOT NULL;
CREATE INDEX invitations_accepted ON invitations (accepted_by) WHERE accepted_by IS NOT NULL;

-- Only the hash is kept of a key, and its beginning to know it by. `scopes` are separated by blanks.
CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  team_id uuid NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  name text NOT NULL,
  prefix text NOT NULL,
  key_hash bytea NOT NULL,
  scopes text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (key_hash);
CREATE INDEX api_keys_user ON api_keys (user_id, created_at, id);
CREATE INDEX api_keys_team ON api_keys (team_id, created_at, id);

-- `version` counts its changes. `declared` ones stand in the configuration. An agent that was deleted is kept for the
-- conversations that it took part in; its slug is free again.
CREATE TABLE agents (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  team_id uuid NOT NULL REFERENCES teams (id),
  maker_id uuid REFERENCES users (id) ON DELETE SET NULL,
  slug text NOT NULL,
  version bigint NOT NULL,
  name text NOT NULL,
  description text NOT NULL,
  instructions text NOT NULL,
  model text,
  max_turns bigint,
  max_tokens bigint,
  max_seconds bigint,
  sharing text NOT NULL CHECK (sharing IN ('private', 'team', 'organization')),
  remote_api boolean NOT NULL,
  declared bigint,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  deleted_at timestamptz
);
CREATE UNIQUE INDEX agents_slug ON agents (team_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX agents_team ON agents (team_id, sharing, id);
CREATE INDEX agents_maker ON agents (maker_id);
CREATE INDEX agents_shared ON agents (organization_id, sharing) WHERE deleted_at IS NULL;
CREATE INDEX agents_declared ON agents (organization_id, declared) WHERE declared IS NOT NULL;

-- What an agent was when a run used it. Of a version that was private its maker alone is told, whatever it is now.
CREATE TABLE agent_versions (
  agent_id uuid NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  version bigint NOT NULL,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  name text NOT NULL,
  description text NOT NULL,
  instructions text NOT NULL,
  model text,
  max_turns bigint,
  max_tokens bigint,
  max_seconds bigint,
  sharing text NOT NULL CHECK (sharing IN ('private', 'team', 'organization')),
  changed_by uuid REFERENCES users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (agent_id, version)
);
CREATE INDEX agent_versions_changed ON agent_versions (changed_by) WHERE changed_by IS NOT NULL;

-- Who did what. Each row's hash is of the row and of the hash before it. Who was concerned is named by id alone, so that
-- this stays when they go.
CREATE TABLE audit_events (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  seq bigint NOT NULL,
  id uuid NOT NULL,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  actor_id uuid,
  via text NOT NULL,
  via_id text,
  action text NOT NULL,
  target_kind text,
  target_id text,
  user_id uuid,
  team_id uuid,
  outcome text NOT NULL,
  reason text,
  details text,
  request_id text,
  address text,
  hash bytea NOT NULL,
  PRIMARY KEY (organization_id, seq)
);
CREATE UNIQUE INDEX audit_events_id ON audit_events (id);
CREATE INDEX audit_events_at ON audit_events (organization_id, at);
CREATE INDEX audit_events_actor ON audit_events (actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_events_user ON audit_events (user_id, seq) WHERE user_id IS NOT NULL;
CREATE INDEX audit_events_team ON audit_events (team_id, seq) WHERE team_id IS NOT NULL;
CREATE INDEX audit_events_action ON audit_events (action, seq);
CREATE INDEX audit_events_target ON audit_events (target_id, seq) WHERE target_id IS NOT NULL;

-- The last row of each organization, and the last that was let go of: what comes after it is kept, and is never changed.
CREATE TABLE audit_heads (
  organization_id uuid PRIMARY KEY REFERENCES organizations (id),
  seq bigint NOT NULL,
  hash bytea NOT NULL,
  forgotten_seq bigint NOT NULL,
  forgotten_hash bytea NOT NULL
);
CREATE FUNCTION audit_events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.seq <= (SELECT forgotten_seq FROM audit_heads WHERE organization_id = OLD.organization_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_events_stay();
CREATE FUNCTION audit_events_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE TRIGGER audit_events_whole BEFORE TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION audit_events_whole();

-- What was used in a month (such as 202611, UTC), counted when runs end; it stays when conversations go. Of `estimated_runs`
-- the model's server did not say what they took.
CREATE TABLE usage_months (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  month bigint NOT NULL,
  user_id uuid NOT NULL,
  team_id uuid NOT NULL,
  agent_id uuid NOT NULL,
  model text NOT NULL,
  runs bigint NOT NULL,
  estimated_runs bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  PRIMARY KEY (organization_id, month, user_id, team_id, agent_id, model)
);
CREATE INDEX usage_months_team ON usage_months (team_id, month, user_id, agent_id, model);

-- The same of each user, team, agent and model by itself: what is left of a budget is in one row. `subject_id` is nil for
-- models, `model` is empty for all others.
CREATE TABLE usage_totals (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  kind text NOT NULL CHECK (kind IN ('user', 'team', 'agent', 'model')),
  month bigint NOT NULL,
  subject_id uuid NOT NULL,
  model text NOT NULL,
  runs bigint NOT NULL,
  estimated_runs bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  PRIMARY KEY (organization_id, kind, month, subject_id, model)
);
CREATE INDEX usage_totals_subject ON usage_totals (subject_id, kind, month);

-- How many tokens a user or a team may use in a month; null for as many as they want. Who has no row has what the
-- configuration says.
CREATE TABLE budgets (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  kind text NOT NULL CHECK (kind IN ('user', 'team')),
  subject_id uuid NOT NULL,
  tokens bigint,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (organization_id, kind, subject_id)
);

-- How many tokens are held back for a run that is under way, from whose budgets.
CREATE TABLE reservations (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  kind text NOT NULL CHECK (kind IN ('user', 'team')),
  subject_id uuid NOT NULL,
  run_id uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  tokens bigint NOT NULL,
  PRIMARY KEY (organization_id, kind, subject_id, run_id)
);
CREATE INDEX reservations_run ON reservations (run_id);

-- How far somebody's offboarding is: a JSON object, which becomes its report. `version` counts what was written, and `batch`
-- tells the same once more from what somebody else writes meanwhile.
CREATE TABLE offboardings (
  user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  version bigint NOT NULL,
  batch uuid NOT NULL,
  report text NOT NULL,
  updated_at timestamptz NOT NULL
);

-- What the configuration said at the last start.
CREATE TABLE settings (
  organization_id uuid NOT NULL REFERENCES organizations (id),
  name text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (organization_id, name)
);

INSERT INTO teams (id, organization_id, slug, name, name_key, created_at, updated_at) VALUES
  ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', 'default', 'Default', 'default', now(), now());
-- Its admins are the local user and whoever was made an administrator; others may use what is there.
INSERT INTO memberships (team_id, user_id, organization_id, role, origin, created_at, updated_at)
  SELECT '00000000-0000-0000-0000-000000000001', id, organization_id,
    CASE WHEN organization_admin OR id = '00000000-0000-0000-0000-000000000001' THEN 'admin' ELSE 'viewer' END,
    'default', now(), now()
  FROM users WHERE organization_id = '00000000-0000-0000-0000-000000000001';
INSERT INTO audit_heads (organization_id, seq, hash, forgotten_seq, forgotten_hash)
  SELECT id, 0, decode(repeat('00', 32), 'hex'), 0, decode(repeat('00', 32), 'hex') FROM organizations;

ALTER TABLE threads ADD COLUMN team_id uuid REFERENCES teams (id);
UPDATE threads SET team_id = '00000000-0000-0000-0000-000000000001';
ALTER TABLE threads ALTER COLUMN team_id SET NOT NULL;
CREATE INDEX threads_team_created ON threads (team_id, created_at, id);

-- By how a name begins, whatever the case of A to Z.
CREATE INDEX users_name ON users (organization_id, lower(name COLLATE "C"), id);

-- When somebody said that the address is theirs, by which nobody is named until a mail shows it. None where whoever has the
-- machine gave it, or a mail led to it.
ALTER TABLE credentials ADD COLUMN claimed_at timestamptz;

-- When its provider was asked in which groups somebody is, the last time that it could tell.
ALTER TABLE identities ADD COLUMN groups_at timestamptz;

-- With which version of its agent, and through which key.
ALTER TABLE runs ADD COLUMN agent_version bigint, ADD COLUMN api_key_id uuid;
CREATE INDEX runs_agent ON runs (agent_id, agent_version) WHERE agent_version IS NOT NULL;

-- What was used before. A model's server may have said any number.
INSERT INTO usage_months
  SELECT t.organization_id, CAST(to_char(r.finished_at AT TIME ZONE 'UTC', 'YYYYMM') AS bigint), t.owner_user_id, t.team_id,
    r.agent_id, r.model, COUNT(*), COUNT(*) - COUNT(r.input_tokens), SUM(LEAST(COALESCE(r.input_tokens, 0), 1000000000)),
    SUM(LEAST(COALESCE(r.output_tokens, 0), 1000000000))
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
  SELECT organization_id, 'model', month, '00000000-0000-0000-0000-000000000000', model, SUM(runs), SUM(estimated_runs),
    SUM(input_tokens), SUM(output_tokens)
  FROM usage_months GROUP BY 1, 3, 5;
