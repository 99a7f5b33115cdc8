//! A data directory of an earlier release is upgraded by starting the program.

use reqwest::Client;
use retinue_testkit::Program;
use serde_json::Value;

/// Release 0.1, with one conversation of two messages.
const RELEASE_0_1: &str = include_str!("../../../store/migrations/sqlite/0001_threads.up.sql");
const CONVERSATION: &str = "
    CREATE TABLE migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO migrations (version, name) VALUES (1, '0001_threads');
    INSERT INTO threads (id, title, agent_id, created_at, updated_at)
      VALUES (x'01890a5dac967000800000000000000a', 'From before', x'01890a5dac967000800000000000000b', 1700000000000000, 1700000000000000);
    INSERT INTO messages (id, thread_id, role, content, position, created_at)
      VALUES (x'01890a5dac967000800000000000000c', x'01890a5dac967000800000000000000a', 'user', 'the needle', 1, 1700000000000000);
";

#[tokio::test(flavor = "multi_thread")]
async fn conversations_of_release_0_1_are_there_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let database = rusqlite::Connection::open(data.join("retinue.db")).unwrap();
    database.execute_batch(RELEASE_0_1).unwrap();
    database.execute_batch(CONVERSATION).unwrap();
    drop(database);
    let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path());
    let running = program.start().await;
    let get = async |path: &str| -> Value {
        Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(format!("http://{}{path}", running.address()))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let threads = get("/api/threads?q=needle").await;
    assert_eq!(threads["data"][0]["title"], "From before", "{threads}");
    let id = threads["data"][0]["id"].as_str().unwrap();
    assert_eq!(get(&format!("/api/threads/{id}/messages")).await["data"][0]["content"], "the needle");
    // Whoever signs in later does not see what the single user had.
    drop(running);
    let elsewhere = [("AUTH_MODE", "oidc"), ("OIDC_ISSUER_URL", "http://127.0.0.1:1"), ("OIDC_CLIENT_ID", "x")];
    let program = elsewhere.iter().fold(program, |program, (name, value)| program.environment(name, value));
    // The provider is down, and the server starts all the same.
    let running = program.start().await;
    let answer = Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(format!("http://{}/api/threads", running.address()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}

/// Private conversations are not made one person's by the way.
#[test]
fn going_back_merges_no_ones_conversations_unless_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let retinue = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_retinue"));
        let output = command.args(arguments).current_dir(folder.path()).env_clear().output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let down = ["migrate", "down", "--yes"];
    assert!(retinue(&["user", "add", "ada@example.com", "--no-password"]).0);
    assert_eq!(retinue(&down), (true, "Took back version 2.\n".to_owned()), "nobody has a conversation");
    assert!(retinue(&["user", "add", "ada@example.com", "--no-password"]).1.contains("migrate up"));
    assert!(retinue(&["migrate", "up"]).0);
    assert!(retinue(&["user", "add", "ada@example.com", "--no-password"]).0);
    let database = rusqlite::Connection::open(folder.path().join("data/retinue.db")).unwrap();
    let theirs = "INSERT INTO threads (id, organization_id, owner_user_id, title, agent_id, created_at, updated_at) \
        SELECT randomblob(16), organization_id, id, 'Private', randomblob(16), 0, 0 FROM users WHERE email = ?";
    assert_eq!(database.execute(theirs, ["ada@example.com"]).unwrap(), 1);
    drop(database);
    let (is_done, said) = retinue(&down);
    assert!(!is_done && said.contains("1 that belong") && said.contains("--merge-everybodys-conversations"), "{said}");
    assert!(retinue(&["migrate", "status"]).1.contains("2  applied"));
    let told = retinue(&[&down[..], &["--merge-everybodys-conversations"]].concat());
    assert_eq!(told, (true, "Took back version 2.\n".to_owned()));
    assert!(retinue(&down).0, "from version 1 on there are no owners");
}
