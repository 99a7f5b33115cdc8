DROP INDEX runs_agent;
DROP INDEX users_name;
-- Every conversation stays whose it was; teams, and what belongs to them, go.
ALTER TABLE credentials DROP COLUMN claimed_at;
ALTER TABLE identities DROP COLUMN groups_at;
ALTER TABLE runs DROP COLUMN api_key_id;
ALTER TABLE runs DROP COLUMN agent_version;

CREATE TABLE threads_old (
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
INSERT INTO threads_old (number, id, organization_id, owner_user_id, title, agent_id, model, created_at, updated_at)
  SELECT number, id, organization_id, owner_user_id, title, agent_id, model, created_at, updated_at FROM threads;
DROP TABLE threads;
ALTER TABLE threads_old RENAME TO threads;
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

DROP TABLE offboardings;
DROP TABLE settings;
DROP TABLE reservations;
DROP TABLE budgets;
DROP TABLE usage_totals;
DROP TABLE usage_months;
DROP TRIGGER audit_events_keep;
DROP TRIGGER audit_events_stay;
DROP TABLE audit_heads;
DROP TABLE audit_events;
DROP TABLE agent_versions;
DROP TABLE agents;
DROP TABLE api_keys;
DROP TABLE invitations;
DROP TABLE memberships;
DROP TABLE teams;
