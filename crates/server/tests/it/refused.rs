//! What the log says of those who were not signed in.

use std::fs;
use std::time::Duration;

use retinue_testkit::Program;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_not_getting_in_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path()).environment("AUTH_MODE", "local");
    let program = launcher.start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = async |path: &str, body: serde_json::Value| {
        let sent = client.post(format!("http://{}{path}", program.address())).json(&body).send().await.unwrap();
        sent.status().as_u16()
    };
    let code = json!({"email": "ada@example.com", "code": "AAAA-AAAA"});
    let login = json!({"email": "ada@example.com", "password": "a guess"});
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(send("/auth/magic-link/verify", code.clone()).await);
    }
    assert_eq!(statuses, [400, 400, 400, 400, 400, 429]);
    assert_eq!(send("/auth/login", login).await, 429);
    assert_eq!(send("/auth/magic-link/verify", json!({"token": "x"})).await, 409);
    assert_eq!(send("/auth/password-reset/verify", json!({"token": "x", "password": "a good new one"})).await, 409);
    program.signal("TERM").await;
    let (_, said) = program.ended().await;
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("nobody was signed in")).collect();
    let with = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
    assert_eq!((with("code_wrong"), with("too_many_attempts"), with("token_spent")), (5, 2, 2), "{said}");
    assert!(!said.contains("AAAA-AAAA") && !said.contains("ada@example.com"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_can_not_fill_the_log_nor_hide_others_in_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("retinue.toml"), "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n").unwrap();
    let launcher = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path()).environment("AUTH_MODE", "local");
    let program = launcher.start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", program.address());
    let mut ids = Vec::new();
    for (from, count) in [("198.51.100.7", 15), ("203.0.113.9", 1)] {
        for number in 0..count {
            let guess = json!({"email": format!("nobody{number}@example.com"), "password": "a guess"});
            let login = client.post(url("/auth/login")).header("x-forwarded-for", from).json(&guess);
            assert_eq!(login.send().await.unwrap().status(), 401);
            let callback = client.get(url("/auth/callback?code=x&state=y")).header("x-forwarded-for", from);
            let refused = callback.send().await.unwrap();
            assert_eq!(refused.status(), 400);
            ids.push(refused.headers()["x-request-id"].to_str().unwrap().to_owned());
            let spent = client.post(url("/auth/register")).header("x-forwarded-for", from);
            let spent = spent.json(&json!({"token": "x", "name": "Eve", "password": "correct horse battery"}));
            assert_eq!(spent.send().await.unwrap().status(), 403);
        }
    }
    program.signal("TERM").await;
    let (_, said) = program.ended().await;
    let refused = |words: &[&str]| {
        let lines = said.lines().filter(|line| line.contains("nobody was signed in"));
        lines.filter(|line| words.iter().all(|word| line.contains(word))).count()
    };
    for code in ["wrong_credentials", "sign_in_unknown", "registration_closed"] {
        assert_eq!((refused(&[code, "198.51.100.7"]), refused(&[code, "203.0.113.9"])), (10, 1), "{said}");
    }
    assert_eq!(refused(&["sign_in_unknown", ids.last().unwrap()]), 1, "whoever is told of an id finds it: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_keeps_no_refusal_out_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path()).environment("AUTH_MODE", "local");
    let mut program = launcher.start().await;
    let body = json!({"email": "ada@example.com", "password": "a guess"}).to_string();
    let (address, length) = (program.address(), body.len());
    let head = format!("POST /auth/login HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n");
    // Longer each time, until the hash is being made when they hang up.
    for patience in (2..).map(Duration::from_millis) {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        tokio::time::sleep(patience).await;
        let answer = connection.try_read(&mut [0; 1]);
        assert!(answer.is_err(), "it was answered, and nobody who hung up before was logged");
        drop(connection);
        let logged = tokio::time::timeout(Duration::from_secs(1), program.says("wrong_credentials", 1)).await;
        if logged.is_ok() {
            return;
        }
    }
}
