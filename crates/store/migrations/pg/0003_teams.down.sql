DROP INDEX runs_agent;
-- Every conversation stays whose it was; teams, and what belongs to them, go.
ALTER TABLE runs DROP COLUMN api_key_id, DROP COLUMN agent_version;
ALTER TABLE threads DROP COLUMN team_id;
DROP TABLE offboardings;
DROP TABLE reservations;
DROP TABLE budgets;
DROP TABLE usage_totals;
DROP TABLE usage_months;
DROP TABLE audit_heads;
DROP TABLE audit_events;
DROP FUNCTION audit_events_stay();
DROP FUNCTION audit_events_whole();
DROP TABLE agent_versions;
DROP TABLE agents;
DROP TABLE api_keys;
DROP TABLE invitations;
DROP TABLE memberships;
DROP TABLE teams;
