//! An organization for measurements.
//!
//! `organization fill FILE USERS` fills a migrated SQLite database, straight through SQL: so many users, 100 in each team, with
//! ten events in the audit trail and a month's usage each. A page of teams is full also if there are few users. Whoever is there
//! already becomes an admin of three of the teams.
//! `organization sign-in ADDRESS EMAIL PASSWORD` prints the cookie of somebody who signs in.
//! `organization check` prints what it takes to know who a request with an API key is of, in nanoseconds: the median, and the
//! 99th percentile.
//! `organization explain ADDRESS COOKIE PATH` prints how long the answer to this takes, in milliseconds: the median, and the
//! 99th percentile.

use std::error::Error;
use std::time::Instant;

use reqwest::Method;
use retinue_app::{Caller, Visit};
use retinue_testkit::{Database, Person, TestApp};
use rusqlite::{Connection, params};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CHECKS: usize = 200_000;
const EXPLANATIONS: usize = 1_000;

/// Everything is numbered, so that no two ids are equal. Teams have one user of each hundred as their admin, and those that are
/// there already as admins of the first three.
const FILL: &str = "
CREATE TEMP TABLE n (i INTEGER PRIMARY KEY);
INSERT INTO n WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 10 * :users - 1) SELECT i FROM c;
CREATE TEMP TABLE there AS SELECT id FROM users;
CREATE TEMP TABLE org AS SELECT id FROM organizations LIMIT 1;
INSERT INTO users (id, organization_id, name, email, email_key, email_verified, organization_admin, created_at, updated_at)
  SELECT unhex(printf('01940000000078008%015x', i)), (SELECT id FROM org), 'Person ' || i, 'person' || i || '@example.com',
    'person' || i || '@example.com', 1, 0, 1735689600000000 + i, 1735689600000000 + i FROM n WHERE i < :users;
INSERT INTO teams (id, organization_id, slug, name, name_key, created_at, updated_at)
  SELECT unhex(printf('01940000000079008%015x', i)), (SELECT id FROM org), 'team-' || i, 'Team ' || i, 'team ' || i,
    1735689600000000 + i, 1735689600000000 + i FROM n WHERE i < :teams;
INSERT INTO memberships (team_id, user_id, organization_id, role, origin, created_at, updated_at)
  SELECT unhex(printf('01940000000079008%015x', i / 100)), unhex(printf('01940000000078008%015x', i)), (SELECT id FROM org),
    CASE WHEN i % 100 = 0 THEN 'admin' WHEN i % 3 = 0 THEN 'editor' ELSE 'viewer' END, 'person',
    1735689600000000 + i, 1735689600000000 + i FROM n WHERE i < :users;
INSERT INTO memberships (team_id, user_id, organization_id, role, origin, created_at, updated_at)
  SELECT unhex(printf('01940000000079008%015x', i)), there.id, (SELECT id FROM org), 'admin', 'person',
    1735689600000000, 1735689600000000 FROM n, there WHERE i < 3;
INSERT INTO agents (id, organization_id, team_id, maker_id, slug, version, name, description, instructions, sharing, remote_api,
    created_at, updated_at)
  SELECT unhex(printf('0194000000007a008%015x', i)), (SELECT id FROM org), unhex(printf('01940000000079008%015x', i / 3)),
    unhex(printf('01940000000078008%015x', i / 3 * 100 % :users)), 'agent-' || (i % 3), 1, 'Agent ' || i, 'Helps', 'Help.', 'team', 1,
    1735689600000000 + i, 1735689600000000 + i FROM n WHERE i < :teams * 3;
INSERT INTO api_keys (id, organization_id, user_id, team_id, name, prefix, key_hash, scopes, created_at)
  SELECT unhex(printf('0194000000007b008%015x', i)), (SELECT id FROM org), unhex(printf('01940000000078008%015x', i)),
    unhex(printf('01940000000079008%015x', i / 100)), 'script', 'rtn_aaaaaa', randomblob(32), 'threads:read', 1735689600000000 + i
    FROM n WHERE i < :users;
INSERT INTO invitations (id, organization_id, team_id, role, mailed, token_hash, invited_by, created_at, expires_at)
  SELECT unhex(printf('0194000000007c008%015x', i)), (SELECT id FROM org), unhex(printf('01940000000079008%015x', i / 10)), 'viewer', 0,
    randomblob(32), NULL, 1735689600000000 + i, 4102444800000000 FROM n WHERE i < :users / 10;
INSERT INTO usage_months (organization_id, month, user_id, team_id, agent_id, model, runs, estimated_runs, input_tokens,
    output_tokens)
  SELECT (SELECT id FROM org), CAST(strftime('%Y%m', 'now') AS INTEGER), unhex(printf('01940000000078008%015x', i)),
    unhex(printf('01940000000079008%015x', i / 100)), unhex(printf('0194000000007a008%015x', i / 100 * 3)), 'bench', 7, 0, 700 + i, 70
    FROM n WHERE i < :users;
INSERT INTO usage_months (organization_id, month, user_id, team_id, agent_id, model, runs, estimated_runs, input_tokens,
    output_tokens)
  SELECT (SELECT id FROM org), CAST(strftime('%Y%m', 'now') AS INTEGER), unhex(printf('01940000000078008%015x', i)),
    unhex(printf('01940000000079008%015x', i)), unhex(printf('0194000000007a008%015x', i * 3)), 'bench', 7, 0, 700 + i, 70
    FROM n WHERE i BETWEEN 1 AND :teams - 1;
INSERT INTO usage_totals SELECT organization_id, 'user', month, user_id, '', SUM(runs), SUM(estimated_runs), SUM(input_tokens),
    SUM(output_tokens) FROM usage_months GROUP BY 1, 3, 4;
INSERT INTO usage_totals SELECT organization_id, 'team', month, team_id, '', SUM(runs), SUM(estimated_runs), SUM(input_tokens),
    SUM(output_tokens) FROM usage_months GROUP BY 1, 3, 4;
INSERT INTO usage_totals SELECT organization_id, 'agent', month, agent_id, '', SUM(runs), SUM(estimated_runs), SUM(input_tokens),
    SUM(output_tokens) FROM usage_months GROUP BY 1, 3, 4;
INSERT INTO usage_totals SELECT organization_id, 'model', month, zeroblob(16), model, SUM(runs), SUM(estimated_runs),
    SUM(input_tokens), SUM(output_tokens) FROM usage_months GROUP BY 1, 3, 5;
INSERT INTO audit_events (organization_id, seq, id, at, actor, actor_id, via, action, target_kind, target_id, user_id, team_id,
    outcome, reason, address, hash)
  SELECT (SELECT id FROM org), (SELECT seq FROM audit_heads) + 1 + i, unhex(printf('0194000000007d008%015x', i)),
    1735689600000000 + i * 30000000, 'user', unhex(printf('01940000000078008%015x', i % :users)), 'session',
    CASE i % 4 WHEN 0 THEN 'session.opened' WHEN 1 THEN 'session.ended' WHEN 2 THEN 'agent.changed' ELSE 'access.refused' END,
    'agent', 'agt_' || printf('%026d', i % 1000), unhex(printf('01940000000078008%015x', i % :users)),
    unhex(printf('01940000000079008%015x', i % :users / 100)), CASE i % 4 WHEN 3 THEN 'refused' ELSE 'done' END,
    CASE i % 4 WHEN 3 THEN 'role_too_low' END, '192.0.2.1', randomblob(32) FROM n;
UPDATE audit_heads SET seq = seq + 10 * :users;
";

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", file, users] => fill(file, users.parse()?),
        ["sign-in", address, email, password] => sign_in(address, email, password).await,
        ["check"] => check().await,
        ["explain", address, cookie, path] => explain(address, cookie, path).await,
        _ => Err("usage: organization fill FILE USERS | sign-in ADDRESS EMAIL PASSWORD | check | explain ADDRESS COOKIE PATH".into()),
    }
}

fn fill(file: &str, users: u32) -> Result<()> {
    let teams = (users / 100).max(25);
    let mut connection = Connection::open(file)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA temp_store = MEMORY;")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(&FILL.replace(":users", &users.to_string()).replace(":teams", &teams.to_string()))?;
    transaction.commit()?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    let count: u32 =
        connection.query_row("SELECT COUNT(*) FROM users WHERE name LIKE ?1", params!["Person %"], |row| row.get(0))?;
    if count == users { Ok(()) } else { Err(format!("{count} users are there").into()) }
}

#[expect(clippy::print_stdout, reason = "this is the result")]
async fn sign_in(address: &str, email: &str, password: &str) -> Result<()> {
    let person = Person::at(format!("http://{address}"));
    let answer = person.sign_in_with(email, password).await;
    if answer.status() != 303 {
        return Err(format!("{email} could not sign in: {}", answer.status()).into());
    }
    println!("retinue-session={}", person.session_cookie());
    Ok(())
}

async fn check() -> Result<()> {
    let (app, provider) = TestApp::with_provider(Database::sqlite()).await;
    let person = Person::signed_in(&app, &provider, "ada").await;
    let team = person.get("/api/teams").await["data"][0]["id"].clone();
    let made = person.send_json(Method::POST, "/api/api-keys", &json!({ "team_id": team, "name": "bench" }), 201).await;
    let key = made["key"].as_str().ok_or("no key was made")?;
    let mut took = Vec::with_capacity(CHECKS);
    for _ in 0..CHECKS {
        let visit = Visit::new(app.app.clone(), "bench".into(), Caller::default());
        let began = Instant::now();
        let known = visit.authenticate_key(key).await;
        took.push(began.elapsed().as_secs_f64() * 1e9);
        known?;
    }
    print(took);
    Ok(())
}

async fn explain(address: &str, cookie: &str, path: &str) -> Result<()> {
    let (http, url) = (reqwest::Client::builder().no_proxy().build()?, format!("http://{address}{path}"));
    let mut took = Vec::with_capacity(EXPLANATIONS);
    for _ in 0..EXPLANATIONS {
        let began = Instant::now();
        let answer = http.get(&url).header("cookie", cookie).send().await?.error_for_status()?;
        answer.bytes().await?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    print(took);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the result")]
fn print(mut took: Vec<f64>) {
    took.sort_unstable_by(f64::total_cmp);
    println!("{} {}", took[took.len() / 2], took[took.len() * 99 / 100]);
}
