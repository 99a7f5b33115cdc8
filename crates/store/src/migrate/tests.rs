//! A database of release 0.1 with conversations in it goes up, down and up again.

use jiff::Timestamp;
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::text::Search;
use retinue_model::thread::Thread;
use retinue_model::user::User;
use retinue_model::{AgentId, Principal, ThreadId, UserId};
use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::{down, merged_by_down, up, up_to};
use crate::{Batch, Location, Scope, Store, Tenant, scratch, search, thread, user};

const MINE: Scope = Scope::of(&Principal::local_user());

/// 5,000 conversations of 20 messages and 10 runs with two events each.
const FILL_SQLITE: &str = "
    CREATE TEMP TABLE n (i INTEGER PRIMARY KEY);
    INSERT INTO n WITH RECURSIVE count (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM count WHERE i < 100000) SELECT i FROM count;
    INSERT INTO threads (id, title, agent_id, model, created_at, updated_at)
        SELECT unhex(printf('%032x', i)), 'Conversation ' || i, unhex(printf('%032x', 7)), NULL, i, i FROM n WHERE i <= 5000;
    INSERT INTO runs (id, thread_id, input_message_id, agent_id, model, status, position, created_at)
        SELECT unhex(printf('%032x', i)), unhex(printf('%032x', (i - 1) / 10 + 1)), unhex(printf('%032x', 2 * i - 1)),
        unhex(printf('%032x', 7)), 'echo', 'completed', (i - 1) % 10 + 1, i FROM n WHERE i <= 50000;
    INSERT INTO messages (id, thread_id, run_id, role, content, position, created_at)
        SELECT unhex(printf('%032x', i)), unhex(printf('%032x', (i - 1) / 20 + 1)),
        CASE i % 2 WHEN 0 THEN unhex(printf('%032x', i / 2)) END, CASE i % 2 WHEN 0 THEN 'assistant' ELSE 'user' END,
        'word' || i || ' ärger 世界', (i - 1) % 20 + 1, i FROM n;
    INSERT INTO events (run_id, seq, name, data, created_at)
        SELECT unhex(printf('%032x', (i - 1) / 2 + 1)), (i - 1) % 2 + 1, 'message.delta', '{\"text\":\"x\"}', i FROM n;
    DROP TABLE n;";

const FILL_POSTGRES: &str = "
    CREATE FUNCTION u (i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(to_hex(i), 32, '0')::uuid $$;
    INSERT INTO threads (id, title, agent_id, model, created_at, updated_at)
        SELECT u(i), 'Conversation ' || i, u(7), NULL, to_timestamp(i), to_timestamp(i) FROM generate_series(1, 5000) i;
    INSERT INTO runs (id, thread_id, input_message_id, agent_id, model, status, position, created_at)
        SELECT u(i), u((i - 1) / 10 + 1), u(2 * i - 1), u(7), 'echo', 'completed', (i - 1) % 10 + 1, to_timestamp(i)
        FROM generate_series(1, 50000) i;
    INSERT INTO messages (id, thread_id, run_id, role, content, position, created_at)
        SELECT u(i), u((i - 1) / 20 + 1), CASE i % 2 WHEN 0 THEN u(i / 2) END,
        CASE i % 2 WHEN 0 THEN 'assistant' ELSE 'user' END, 'word' || i || ' ärger 世界', (i - 1) % 20 + 1, to_timestamp(i)
        FROM generate_series(1, 100000) i;
    INSERT INTO events (run_id, seq, name, data, created_at)
        SELECT u((i - 1) / 2 + 1), (i - 1) % 2 + 1, 'message.delta', '{\"text\":\"x\"}', to_timestamp(i)
        FROM generate_series(1, 100000) i;
    DROP FUNCTION u;";

/// The tables of release 0.1, and their columns.
const TABLES: [(&str, &[&str]); 4] = [
    ("threads", &["id", "title", "agent_id", "model", "created_at", "updated_at"]),
    ("runs", &["id", "thread_id", "input_message_id", "agent_id", "model", "status", "position", "created_at"]),
    ("messages", &["id", "thread_id", "run_id", "role", "content", "position", "created_at"]),
    ("events", &["run_id", "seq", "name", "data", "created_at"]),
];

fn contents_on_sqlite(connection: &Connection) -> Vec<Vec<String>> {
    let read = |(table, columns): &(&str, &[&str])| {
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        let text = format!("SELECT {} FROM {table} ORDER BY 1", quoted.join(" || ',' || "));
        let mut statement = connection.prepare(&text).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<Vec<String>>>().unwrap()
    };
    TABLES.iter().map(read).collect()
}

async fn contents_on_postgres(client: &Client) -> Vec<Vec<String>> {
    let mut contents = Vec::new();
    for (table, columns) in TABLES {
        let text = format!("SELECT ROW({})::text AS row FROM {table} ORDER BY 1", columns.join(", "));
        contents.push(client.query(&text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect());
    }
    contents
}

/// What the person of 0.1 has after the migration: all of it, and by search as well.
async fn all_belongs_to_the_local_user(store: &Store) {
    let page = thread::list(&MINE, store, None, 10_000).await.unwrap();
    assert_eq!(page.len(), 5_000);
    let found = search::threads(&MINE, store, &Search::new("word77777").unwrap(), None, 10).await.unwrap();
    let titles: Vec<_> = found.iter().map(|hit| hit.thread.title.as_deref().unwrap()).collect();
    assert_eq!(titles, ["Conversation 3889"]);
}

/// References and the search are what they were: what is below a conversation goes with it.
async fn delete_one(store: &Store) {
    let words = Search::new("word77777").unwrap();
    let found = search::threads(&MINE, store, &words, None, 10).await.unwrap();
    let mut batch = Batch::default();
    thread::delete_with(&MINE, &mut batch, found[0].thread.id);
    store.write(batch).await.unwrap();
    assert_eq!(search::threads(&MINE, store, &words, None, 10).await.unwrap(), []);
}

/// Rows of each table when one conversation is deleted.
const LESS_ONE: [usize; 4] = [4_999, 49_990, 99_980, 99_980];

#[tokio::test]
async fn a_database_of_0_1_keeps_everything_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retinue.db");
    let store = Store::open(&Location::Sqlite(path.clone())).await.unwrap();
    assert_eq!(up_to(&store, 1).await.unwrap(), [1]);
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(FILL_SQLITE).unwrap();
    let before = contents_on_sqlite(&connection);
    assert_eq!(before[2].len(), 100_000);

    assert_eq!(up(&store).await.unwrap(), [2]);
    assert_eq!(contents_on_sqlite(&connection), before);
    all_belongs_to_the_local_user(&store).await;
    assert_eq!(down(&store).await.unwrap(), Some(2));
    assert_eq!(contents_on_sqlite(&connection), before);
    assert_eq!(up(&store).await.unwrap(), [2]);
    assert_eq!(contents_on_sqlite(&connection), before);
    all_belongs_to_the_local_user(&store).await;
    delete_one(&store).await;
    assert_eq!(contents_on_sqlite(&connection).iter().map(Vec::len).collect::<Vec<_>>(), LESS_ONE);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_database_of_0_1_keeps_everything_on_postgres() {
    let url = scratch::empty_postgres().await;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let store = Store::open(&scratch::location(&url)).await.unwrap();
    assert_eq!(up_to(&store, 1).await.unwrap(), [1]);
    client.batch_execute(FILL_POSTGRES).await.unwrap();
    let before = contents_on_postgres(&client).await;
    assert_eq!(before[2].len(), 100_000);

    assert_eq!(up(&store).await.unwrap(), [2]);
    assert_eq!(contents_on_postgres(&client).await, before);
    all_belongs_to_the_local_user(&store).await;
    assert_eq!(down(&store).await.unwrap(), Some(2));
    assert_eq!(contents_on_postgres(&client).await, before);
    assert_eq!(up(&store).await.unwrap(), [2]);
    assert_eq!(contents_on_postgres(&client).await, before);
    all_belongs_to_the_local_user(&store).await;
    delete_one(&store).await;
    assert_eq!(contents_on_postgres(&client).await.iter().map(Vec::len).collect::<Vec<_>>(), LESS_ONE);
}

/// Before there is anything, with what the local user has, and with what somebody else has.
async fn what_would_be_merged_is_counted(store: &Store) {
    assert_eq!(merged_by_down(store).await.unwrap(), 0);
    up(store).await.unwrap();
    assert_eq!(merged_by_down(store).await.unwrap(), 0);
    let (us, now) = (Tenant::default_organization(), Timestamp::UNIX_EPOCH);
    let bob = User {
        id: UserId::new(Uuid::from_u128(12)),
        organization_id: DEFAULT_ORGANIZATION,
        name: "bob".to_owned(),
        email: None,
        email_verified: false,
        organization_admin: false,
        disabled_at: None,
        created_at: now,
    };
    let conversation = |number| Thread {
        id: ThreadId::new(Uuid::from_u128(number)),
        team_id: DEFAULT_TEAM,
        title: None,
        agent_id: AgentId::new(Uuid::from_u128(7)),
        model: None,
        created_at: now,
        updated_at: now,
    };
    let mut batch = Batch::default();
    thread::insert_with(&MINE, &mut batch, &conversation(1));
    store.write(batch).await.unwrap();
    assert_eq!(merged_by_down(store).await.unwrap(), 0);
    let mut batch = Batch::default();
    user::insert_with(&us, &mut batch, &bob, None);
    thread::insert_with(&Scope::of_row(DEFAULT_ORGANIZATION, bob.id), &mut batch, &conversation(2));
    store.write(batch).await.unwrap();
    assert_eq!(merged_by_down(store).await.unwrap(), 1);
    assert_eq!(down(store).await.unwrap(), Some(2));
    assert_eq!(merged_by_down(store).await.unwrap(), 0, "there are no owners any more");
}

#[tokio::test]
async fn what_would_be_merged_is_counted_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::Sqlite(folder.path().join("retinue.db"))).await.unwrap();
    what_would_be_merged_is_counted(&store).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn what_would_be_merged_is_counted_on_postgres() {
    let url = scratch::empty_postgres().await;
    what_would_be_merged_is_counted(&Store::open(&scratch::location(&url)).await.unwrap()).await;
}
