//! One server for each database, also when the one that has it loses its connection.

use reqwest::{Client, Method, StatusCode};
use retinue_store::{Location, Store};
use retinue_testkit::{Database, Line, Program, Running};
use serde_json::json;
use tempfile::TempDir;

use super::{LIMIT, assert_well, start};

/// Who has an advisory lock.
const HOLDERS: &str = "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()";

/// The real program on a line to its database.
struct Served {
    program: Running,
    database: Database,
    line: Line,
    _folder: TempDir,
}

impl Served {
    async fn start() -> Self {
        let (database, line) = Database::postgres().await.on_a_line().await;
        let Location::Postgres { url, .. } = database.location() else { unreachable!() };
        let folder = tempfile::tempdir().unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path())
            .environment("DATABASE_URL", url)
            .environment("RETINUE__DATABASE__STATEMENT_SECONDS", "1")
            .environment("RETINUE__PROVIDERS__OLLAMA", "false")
            .start()
            .await;
        Self { program, database, line, _folder: folder }
    }

    /// Another one takes the lock, as soon as it is free.
    async fn another(&self) -> Store {
        Store::open(&self.database.direct()).await.unwrap()
    }

    async fn ends_and_says_why(self) {
        let (status, said) = self.program.ended().await;
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("Another Retinue took over the database at 127.0.0.1:"), "{said}");
        assert!(said.contains("Leave one of them stopped"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_server_whose_database_another_one_took_stops() {
    let served = Served::start().await;
    served.line.cut();
    let another = served.another().await;
    served.line.mend();
    served.ends_and_says_why().await;
    another.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_server_whose_database_another_one_had_meanwhile_stops() {
    let served = Served::start().await;
    served.line.cut();
    // It marked the runs of this one as interrupted, and has gone again.
    drop(served.another().await);
    served.line.mend();
    served.ends_and_says_why().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn a_server_that_only_lost_its_connection_goes_on() {
    let mut served = Served::start().await;
    let client = Client::builder().no_proxy().build().unwrap();
    let ready = format!("http://{}/readyz", served.program.address());
    let breaks: [fn(&Line); 3] = [Line::reset, Line::strand, |line| {
        line.cut();
        line.mend();
    }];
    for (times, break_it) in (1..).zip(breaks) {
        break_it(&served.line);
        // Before that it may not have noticed yet.
        served.program.says("was taken again", times).await;
        assert_eq!(client.get(&ready).send().await.unwrap().status(), StatusCode::OK);
    }
    let holders = served.database.ask(HOLDERS).await;
    assert!(holders.len() == 1 && holders[0].starts_with("retinue "), "{holders:?}");
    assert_eq!(served.program.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn nothing_is_read_or_written_without_the_lock() {
    let (app, line) = start(4, LIMIT).await;
    let thread = app.thread().await;
    line.cut();
    let another = Store::open(&app.database.direct()).await.unwrap();
    line.mend();
    // Its connections would work again, and the database is another's.
    let path = format!("/api/threads/{thread}");
    for _ in 0..3 {
        app.send(Method::GET, &path, &json!({}), 503).await;
        app.send(Method::GET, "/readyz", &json!({}), 503).await;
    }
    app.send(Method::POST, "/api/threads", &json!({"title": "Mine"}), 503).await;
    assert_eq!(app.database.ask("SELECT id FROM threads").await.len(), 1);
    drop(another);
    let app = app.restart().await;
    app.get(&path).await;
    assert_well(&app).await;
}
