//! That another key of the instance was made, by whoever types the command.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

fn retinue(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retinue"));
    let output = command.args(arguments).current_dir(folder).env_clear().output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn told(folder: &Path) -> Vec<(String, String, Option<String>)> {
    let database = Connection::open(folder.join("data/retinue.db")).unwrap();
    let text = "SELECT actor, via, details FROM audit_events WHERE action = 'keys.rotated' ORDER BY seq";
    let mut statement = database.prepare(text).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn another_key_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let rotate = |arguments: &[&str]| {
        let (is_done, said) = retinue(folder.path(), arguments);
        assert!(is_done && !said.contains("audit trail"), "{said}");
    };
    rotate(&["key", "rotate"]);
    assert!(!folder.path().join("data/retinue.db").exists(), "there is no trail to tell it in yet");
    assert!(retinue(folder.path(), &["migrate", "up"]).0);
    rotate(&["key", "rotate"]);
    rotate(&["key", "rotate", "--forget"]);
    let by_operator =
        |dropped: u32| ("operator".to_owned(), "console".to_owned(), Some(format!("{{\"dropped\":{dropped}}}")));
    assert_eq!(told(folder.path()), [by_operator(0), by_operator(3)]);
    let keys = std::fs::read_to_string(folder.path().join("data/instance.key")).unwrap();
    let secret = keys.split_whitespace().last().unwrap();
    let database = std::fs::read(folder.path().join("data/retinue.db")).unwrap();
    assert!(!database.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
}

/// Whoever must be rid of a key is, though the trail can't be written.
#[test]
fn a_key_is_made_though_it_can_not_be_told() {
    let folder = tempfile::tempdir().unwrap();
    assert!(retinue(folder.path(), &["migrate", "up"]).0);
    assert!(retinue(folder.path(), &["migrate", "down", "--yes"]).0);
    let (is_done, said) = retinue(folder.path(), &["key", "rotate", "--forget"]);
    assert!(is_done && said.starts_with("A new key is in use"), "{said}");
    assert!(said.contains("The audit trail does not tell of it") && said.contains("migrate up"), "{said}");
}
