CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL
);

-- `email_key` is the address as it is compared; several users may have the same.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  name text NOT NULL,
  email text,
  email_key text,
  email_verified boolean NOT NULL,
  organization_admin boolean NOT NULL,
  disabled_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX users_organization ON users (organization_id, created_at, id);
CREATE INDEX users_email ON users (organization_id, email_key) WHERE email_key IS NOT NULL;

-- Who somebody is to a provider; the key is never the address. `email_key` is the address as it is compared.
CREATE TABLE identities (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  provider text NOT NULL,
  issuer text NOT NULL,
  subject text NOT NULL,
  email text,
  email_key text,
  email_verified boolean NOT NULL,
  origin text NOT NULL,
  created_at timestamptz NOT NULL,
  last_used_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX identities_subject ON identities (provider, issuer, subject);
CREATE INDEX identities_user ON identities (user_id, created_at, id);

-- A way in by address: a password, a link by mail, or both. `address` is the address as it is compared.
CREATE TABLE credentials (
  user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  address text NOT NULL,
  -- When somebody opened a mail that went there; null if nobody has shown that it is theirs.
  address_verified_at timestamptz,
  password_hash text,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX credentials_address ON credentials (organization_id, address);

CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  identity_id uuid REFERENCES identities (id) ON DELETE CASCADE,
  method text NOT NULL,
  provider_session text,
  id_token text,
  refresh_token text,
  refresh_at timestamptz,
  refresh_claimed_at timestamptz,
  refresh_claim uuid,
  refreshed_at timestamptz,
  user_agent text NOT NULL,
  address text NOT NULL,
  -- When they showed last who they are.
  proved_at timestamptz,
  created_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id, created_at, id);
CREATE INDEX sessions_identity ON sessions (identity_id);
CREATE INDEX sessions_provider ON sessions (provider_session) WHERE ended_at IS NULL AND provider_session IS NOT NULL;
CREATE INDEX sessions_expires ON sessions (expires_at);
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- What ended: whoever keeps sessions in memory looks here. Of one session, or of all that a user has.
CREATE TABLE revocations (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  session_id uuid,
  created_at timestamptz NOT NULL
);
CREATE INDEX revocations_created ON revocations (created_at, id);
CREATE INDEX revocations_user ON revocations (user_id);

-- Logout tokens of providers that were taken, so that none is taken twice, and whom they signed out: one session there, or
-- a subject.
CREATE TABLE logout_tokens (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  provider text NOT NULL,
  token_id text NOT NULL,
  subject text,
  provider_session text,
  taken_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX logout_tokens_id ON logout_tokens (provider, token_id);
CREATE INDEX logout_tokens_taken ON logout_tokens (provider, taken_at);
CREATE INDEX logout_tokens_expires ON logout_tokens (expires_at);

-- What may be used once: links by mail, invitations, password resets. Only the hash is kept.
-- `used_by` is the id of the one use, which tells a batch that is written again from somebody else who comes too late.
CREATE TABLE one_time_tokens (
  id uuid PRIMARY KEY,
  organization_id uuid NOT NULL REFERENCES organizations (id),
  user_id uuid REFERENCES users (id) ON DELETE CASCADE,
  purpose text NOT NULL,
  token_hash bytea NOT NULL,
  code_hash bytea,
  attempts bigint NOT NULL,
  address text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by uuid
);
CREATE UNIQUE INDEX one_time_tokens_hash ON one_time_tokens (token_hash);
CREATE INDEX one_time_tokens_address ON one_time_tokens (address, created_at);
CREATE INDEX one_time_tokens_expires ON one_time_tokens (expires_at);
CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id);

INSERT INTO organizations (id, name, created_at) VALUES ('00000000-0000-0000-0000-000000000001', 'Default', now());
INSERT INTO users (id, organization_id, name, email_verified, organization_admin, created_at, updated_at) VALUES
  ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', 'Local user', false, false, now(), now());

ALTER TABLE threads ADD COLUMN organization_id uuid, ADD COLUMN owner_user_id uuid;
UPDATE threads SET organization_id = '00000000-0000-0000-0000-000000000001',
  owner_user_id = '00000000-0000-0000-0000-000000000001';
ALTER TABLE threads ALTER COLUMN organization_id SET NOT NULL, ALTER COLUMN owner_user_id SET NOT NULL,
  ADD CONSTRAINT threads_organization FOREIGN KEY (organization_id) REFERENCES organizations (id),
  ADD CONSTRAINT threads_owner FOREIGN KEY (owner_user_id) REFERENCES users (id) ON DELETE CASCADE;
DROP INDEX threads_recent;
CREATE INDEX threads_recent ON threads (owner_user_id, updated_at, id);
CREATE INDEX threads_owner_created ON threads (owner_user_id, created_at, id);
CREATE INDEX threads_organization_created ON threads (organization_id, created_at, id);

ALTER TABLE runs ADD COLUMN organization_id uuid;
UPDATE runs SET organization_id = '00000000-0000-0000-0000-000000000001';
ALTER TABLE runs ALTER COLUMN organization_id SET NOT NULL,
  ADD CONSTRAINT runs_organization FOREIGN KEY (organization_id) REFERENCES organizations (id);
CREATE INDEX runs_organization_created ON runs (organization_id, created_at, id);

ALTER TABLE messages ADD COLUMN organization_id uuid;
UPDATE messages SET organization_id = '00000000-0000-0000-0000-000000000001';
ALTER TABLE messages ALTER COLUMN organization_id SET NOT NULL,
  ADD CONSTRAINT messages_organization FOREIGN KEY (organization_id) REFERENCES organizations (id);
CREATE INDEX messages_organization_created ON messages (organization_id, created_at, id);
