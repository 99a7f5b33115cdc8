-- Every conversation stays, whosever it was; who they were goes.
ALTER TABLE messages DROP COLUMN organization_id;
ALTER TABLE runs DROP COLUMN organization_id;
DROP INDEX threads_recent;
ALTER TABLE threads DROP COLUMN organization_id, DROP COLUMN owner_user_id;
CREATE INDEX threads_recent ON threads (updated_at, id);
DROP TABLE one_time_tokens;
DROP TABLE logout_tokens;
DROP TABLE revocations;
DROP TABLE sessions;
DROP TABLE credentials;
DROP TABLE identities;
DROP TABLE users;
DROP TABLE organizations;
