//! A database as it is, without the program's own statements, which know the newest version only.

use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};

use super::fill;

/// The tables of release 0.1.
pub(super) const TABLES: [&str; 4] = ["threads", "runs", "messages", "events"];

/// The rows of each table, as texts.
pub(super) type Contents = [Vec<String>; 4];

/// A connection beside the store's.
pub(super) enum Raw {
    Sqlite(Connection),
    Postgres(Client),
}

impl Raw {
    pub(super) async fn postgres(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        Self::Postgres(client)
    }

    pub(super) async fn run(&self, script: &str) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(script).unwrap(),
            Self::Postgres(client) => client.batch_execute(script).await.unwrap(),
        }
    }

    /// The first column of a query, in the engine's own words.
    async fn texts(&self, sqlite: &str, postgres: &str) -> Vec<String> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(sqlite).unwrap();
                statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
            }
            Self::Postgres(client) => client.query(postgres, &[]).await.unwrap().iter().map(|row| row.get(0)).collect(),
        }
    }

    pub(super) async fn fill(&self) {
        let numbers = if matches!(self, Self::Sqlite(_)) { fill::NUMBERS_SQLITE } else { fill::NUMBERS_POSTGRES };
        self.run(numbers).await;
        self.run(fill::CONVERSATIONS).await;
    }

    /// The columns that each table has now.
    pub(super) async fn columns(&self) -> [Vec<String>; 4] {
        let mut columns: [Vec<String>; 4] = Default::default();
        for (columns, table) in columns.iter_mut().zip(TABLES) {
            let sqlite = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
            let postgres = format!(
                "SELECT column_name::text FROM information_schema.columns \
                WHERE table_schema = current_schema() AND table_name = '{table}' ORDER BY ordinal_position"
            );
            *columns = self.texts(&sqlite, &postgres).await;
        }
        columns
    }

    /// What stands in these columns: of each row all of them, with what is null told from what is empty.
    pub(super) async fn contents(&self, columns: &[Vec<String>; 4]) -> Contents {
        let mut contents = Contents::default();
        for ((rows, columns), table) in contents.iter_mut().zip(columns).zip(TABLES) {
            let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
            let sqlite = format!("SELECT {} FROM {table} ORDER BY 1", quoted.join(" || ',' || "));
            let postgres = format!("SELECT ROW({})::text FROM {table} ORDER BY 1", columns.join(", "));
            *rows = self.texts(&sqlite, &postgres).await;
        }
        contents
    }

    /// Tables, columns, indexes, triggers and constraints.
    pub(super) async fn schema(&self) -> Vec<String> {
        let sqlite =
            "SELECT name || ': ' || REPLACE(sql, '\"', '') FROM sqlite_master WHERE sql IS NOT NULL ORDER BY 1";
        let postgres = "SELECT table_name || '.' || column_name || ': ' || data_type || ' ' || is_nullable \
            FROM information_schema.columns WHERE table_schema = current_schema() \
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() \
            UNION ALL SELECT conrelid::regclass::text || ': ' || pg_get_constraintdef(oid) FROM pg_constraint \
            WHERE connamespace = current_schema()::regnamespace ORDER BY 1";
        self.texts(sqlite, postgres).await
    }

    /// What makes an id that nothing has.
    pub(super) const fn random_id(&self) -> &'static str {
        if matches!(self, Self::Sqlite(_)) { "randomblob(16)" } else { "gen_random_uuid()" }
    }

    /// How many rows a table has.
    pub(super) async fn count(&self, table: &str) -> i64 {
        let sqlite = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}");
        self.texts(&sqlite, &sqlite).await[0].parse().unwrap()
    }

    /// What release 0.1 finds by a word: what was said, and titles.
    pub(super) async fn found(&self, word: &str) -> Vec<String> {
        let sqlite = format!(
            "SELECT content FROM message_search WHERE message_search MATCH '{word}' \
            UNION ALL SELECT title FROM thread_search WHERE thread_search MATCH '{word}' ORDER BY 1"
        );
        let postgres = format!(
            "SELECT content FROM messages WHERE search @@ to_tsquery('simple', '{word}') \
            UNION ALL SELECT title FROM threads WHERE search @@ to_tsquery('simple', '{word}') ORDER BY 1"
        );
        self.texts(&sqlite, &postgres).await
    }

    /// The indexes of the search say what the tables say. Those of PostgreSQL are columns of the tables.
    pub(super) async fn check_search(&self) {
        if matches!(self, Self::Sqlite(_)) {
            for index in ["thread_search", "message_search"] {
                self.run(&format!("INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")).await;
            }
        }
    }
}
