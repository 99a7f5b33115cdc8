//! A data directory of an earlier release is upgraded by starting the program.

use std::path::Path;

use reqwest::Client;
use retinue_testkit::Program;
use rusqlite::Connection;
use serde_json::{Value, json};

/// What release 0.1 left; `upgrade/README.md` beside this says how it was made.
const RELEASE_0_1: &[u8] = include_bytes!("upgrade/release-0.1.db");

/// The runs in it, how each ended, and how many events it has. The last was under way when the program was killed.
const RUNS: [(&str, &str, usize); 7] = [
    ("run_01m8pjxc17fg58mg9hd97y3tgy", "completed", 10),
    ("run_01m8pjxcg8f7ys41604anvs0qy", "failed", 2),
    ("run_01m8pjxcmsfy88c7b3j3n386cd", "completed", 22),
    ("run_01m8pjxdrzes4rs8hqn6wrmhws", "completed", 23),
    ("run_01m8pjxf0bege9hbhrrd4hy8av", "cancelled", 6),
    ("run_01m8pjxg63esssp384zc0nzxmg", "interrupted", 6),
    ("run_01m8pjxgcbfk0vfy4pgqp3majs", "interrupted", 6),
];

/// As much of the last one's answer as was said by then.
const SO_FAR: &str = "This is the built-in echo model: no language model ";

fn lay_out_0_1(folder: &Path) {
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("retinue.db"), RELEASE_0_1).unwrap();
}

/// Who said what in which conversation, as release 0.1 wrote it down.
fn said_in_0_1(folder: &Path) -> Vec<(String, String, String)> {
    let database = Connection::open(folder.join("data/retinue.db")).unwrap();
    let text = "SELECT t.title, m.role, m.content FROM messages m JOIN threads t ON t.id = m.thread_id \
        ORDER BY t.title, m.position";
    let mut statement = database.prepare(text).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_release_0_1_left_is_there_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    lay_out_0_1(folder.path());
    let mut expected = said_in_0_1(folder.path());
    let unanswered = expected.iter().position(|(_, _, content)| content.starts_with("Once more")).unwrap();
    let title = expected[unanswered].0.clone();
    expected.insert(unanswered + 1, (title, "assistant".to_owned(), SO_FAR.to_owned()));
    assert_eq!(expected.len(), 12);
    let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path());
    let running = program.start().await;
    let client = Client::builder().no_proxy().build().unwrap();
    let fetch = async |path: &str| {
        let answer = client.get(format!("http://{}{path}", running.address())).send().await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    };
    let get = async |path: &str| serde_json::from_str::<Value>(&fetch(path).await).unwrap();

    let (threads, mut said) = (get("/api/threads").await, Vec::new());
    let threads = threads["data"].as_array().unwrap();
    for thread in threads {
        let path = format!("/api/threads/{}/messages", thread["id"].as_str().unwrap());
        for message in get(&path).await["data"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            said.push((text(&thread["title"]), text(&message["role"]), text(&message["content"])));
        }
    }
    assert_eq!(threads.len(), 5);
    said.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(said, expected);

    for (id, status, events) in RUNS {
        let run = get(&format!("/api/runs/{id}")).await;
        assert_eq!(run["status"], status, "{run}");
        let stream = fetch(&format!("/api/runs/{id}/events")).await;
        assert_eq!(stream.matches("\nevent: ").count(), events, "{stream}");
        assert!(stream.contains(&format!("event: run.{status}")), "{stream}");
    }
    let used = get(&format!("/api/runs/{}", RUNS[0].0)).await;
    assert_eq!((&used["model"], &used["usage"]["output_tokens"]), (&json!("told"), &json!(73)));
    let failed = get(&format!("/api/runs/{}", RUNS[1].0)).await;
    assert_eq!(failed["error"]["code"], "model_unreachable");

    for (words, title) in [
        ("tomatoes", "Garden in Zürich"),
        ("zurich", "Garden in Zürich"),
        ("lisbon%20train", "Where does the night train to Lisbon stop?"),
    ] {
        let found = get(&format!("/api/threads?q={words}")).await;
        assert_eq!((&found["data"][0]["title"], &found["data"][1]), (&json!(title), &Value::Null), "{found}");
    }
    let garden = threads.iter().find(|thread| thread["title"] == "Garden in Zürich").unwrap();
    let page = fetch(&format!("/threads/{}", garden["id"].as_str().unwrap())).await;
    assert!(page.contains("<strong>tomatoes</strong>"), "{page}");
}

/// Whoever signs in later does not see what the single user had, and the server starts though the provider is down.
#[tokio::test(flavor = "multi_thread")]
async fn what_release_0_1_left_is_nobody_s_where_people_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    lay_out_0_1(folder.path());
    let settings = [("AUTH_MODE", "oidc"), ("OIDC_ISSUER_URL", "http://127.0.0.1:1"), ("OIDC_CLIENT_ID", "x")];
    let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path());
    let program = settings.iter().fold(program, |program, (name, value)| program.environment(name, value));
    let running = program.start().await;
    let client = Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/threads", running.address());
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401);
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
    let took_back = |(is_done, said): (bool, String), version: i64| {
        assert!(is_done && said.starts_with(&format!("Took back version {version}.\n")), "{said}");
    };
    assert!(retinue(&["user", "add", "ada@example.com", "--no-password"]).0);
    let (is_done, said) = retinue(&["migrate", "down"]);
    assert!(!is_done && said.contains("version 3, and with it teams") && said.contains("audit trail"), "{said}");
    took_back(retinue(&down), 3);
    took_back(retinue(&down), 2);
    assert!(retinue(&["user", "add", "ada@example.com", "--no-password"]).1.contains("migrate up"));
    assert!(retinue(&["migrate", "up"]).0);
    assert!(retinue(&["user", "add", "ada@example.com", "--no-password"]).0);
    let open = || Connection::open(folder.path().join("data/retinue.db")).unwrap();
    took_back(retinue(&down), 3);
    let database = open();
    let theirs = "INSERT INTO threads (id, organization_id, owner_user_id, title, agent_id, created_at, updated_at) \
        SELECT randomblob(16), organization_id, id, 'Private', randomblob(16), 0, 0 FROM users WHERE email = ?";
    assert_eq!(database.execute(theirs, ["ada@example.com"]).unwrap(), 1);
    drop(database);
    let (is_done, said) = retinue(&down);
    assert!(!is_done && said.contains("1 that belong") && said.contains("--merge-everybodys-conversations"), "{said}");
    assert!(retinue(&["migrate", "status"]).1.contains("2  applied"));
    let told = retinue(&[&down[..], &["--merge-everybodys-conversations"]].concat());
    took_back(told, 2);
    let private = "SELECT COUNT(*) FROM threads WHERE title = 'Private'";
    assert_eq!(open().query_row(private, [], |row| row.get(0)), Ok(1));
    assert!(retinue(&["migrate", "up"]).0);
    let mine = format!("{private} AND owner_user_id = x'00000000000000000000000000000001'");
    assert_eq!(open().query_row(&mine, [], |row| row.get(0)), Ok(1), "it is the local user's now");
    took_back(retinue(&down), 3);
    // Nobody else has one any more; from version 1 on there are no owners.
    took_back(retinue(&down), 2);
    took_back(retinue(&down), 1);
}
