//! The program as it is started: command line, configuration, start-up faults.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use retinue_testkit::{ModelServer, Program};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The binary in an empty folder with an empty environment.
fn retinue(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retinue"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// What was said on standard error by a start that failed with `code`.
fn complaint(output: &Output, code: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// A configuration file, the environment, and words that the complaint has.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

/// Three settings that let people sign in, with others over them.
fn oidc<'a>(others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [("AUTH_MODE", "oidc"), ("OIDC_ISSUER_URL", "https://idp.example"), ("OIDC_CLIENT_ID", "retinue")];
    let usual = usual.into_iter().filter(|(name, _)| others.iter().all(|(other, _)| other != name));
    usual.chain(others.iter().copied()).collect()
}

#[test]
fn wrong_configurations_are_refused_by_key_with_the_mend() {
    let cases: &[Case<'_>] = &[
        (
            "",
            &[("RETINUE__PROVIDERS__OLLAMA_CONTEXT_TOKENS", "0")],
            &["providers.ollama_context_tokens", "at least 256"],
        ),
        ("", &[("RETINUE_LISTEN", "8080")], &["server.listen", "such as 127.0.0.1:8080"]),
        ("", &[("DATABASE_URL", "sqlite://x")], &["database.url", "postgres://"]),
        ("", &[("OPENAI_BASE_URL", "localhost:8000")], &["providers.openai_base_url", "http"]),
        ("[audit]\nretention_days = 36501\n", &[], &["audit.retention_days", "36500"]),
        ("", &[("RETINUE__AUDIT__RETENTION_DAYS", "-1")], &["audit.retention_days"]),
        ("[database]\nstatement_seconds = 0\n", &[], &["database.statement_seconds", "at least 1"]),
        ("[database]\nstatement_seconds = 601\n", &[], &["database.statement_seconds", "at most 600"]),
        ("", &[("RETINUE__LOG__FILTER", "x=y=z")], &["log.filter"]),
        ("[server]\nallowed_hosts = [\"a.example:80\"]\n", &[], &["server.allowed_hosts", "port"]),
        ("[server]\nlisen = \"127.0.0.1:1\"\n", &[], &["server.lisen", "Did you mean `server.listen`"]),
        ("[server]\nlisten = \"nowhere\"\n", &[], &["server.listen", "retinue.toml"]),
        ("[server]\nlisten = 8080\n", &[], &["server.listen"]),
        ("[server\n", &[], &["retinue.toml", "not TOML"]),
        ("[server]\nlisten = \"0.0.0.0:8080\"\n", &[], &["server.listen", "auth.single_user.allow_remote"]),
        ("", &[("RETINUE_LISTEN", "192.0.2.1:80")], &["server.listen", "environment RETINUE_LISTEN"]),
        ("", &[("AUTH_MODE", "ldap")], &["auth.mode", "environment AUTH_MODE", "single_user"]),
        ("", &[("AUTH_MODE", "oidc")], &["auth.oidc.issuer", "OIDC_ISSUER_URL"]),
        ("", &[("OIDC_ISSUER_URL", "https://idp.example")], &["auth.oidc.issuer", "AUTH_MODE=oidc"]),
        ("", &[("OIDC_CLIENT_SECRET", "s")], &["auth.oidc.client_secret", "`single_user`", "OIDC_CLIENT_SECRET"]),
        ("", &[("OIDC_SCOPES", "openid")], &["auth.oidc.scopes", "`single_user`"]),
        ("[auth.oidc]\nprivate_key_file = \"k.pem\"\n", &[], &["auth.oidc.private_key_file", "AUTH_MODE=oidc"]),
        ("[[auth.providers]]\nname = \"b\"\n", &[("AUTH_MODE", "local")], &["auth.providers", "`local`"]),
        (
            "[[auth.providers]]\nname = \"b\"\nissuer = \"https://b.example\"\nclient_id = \"x\"\n",
            &[("AUTH_MODE", "oidc"), ("OIDC_CLIENT_SECRET", "s")],
            &["auth.oidc.client_secret", "OIDC_ISSUER_URL"],
        ),
        (
            "[auth.oidc]\nclient_authentication = \"none\"\n",
            &oidc(&[("OIDC_CLIENT_SECRET", "s")]),
            &["auth.oidc.client_authentication", "client_secret", "`auto`"],
        ),
        (
            "",
            &oidc(&[("OIDC_REDIRECT_URI", "http://127.0.0.1:8080/auth/callback/other")]),
            &["auth.oidc.redirect_uri", "/auth/callback/sso"],
        ),
        ("", &oidc(&[("RETINUE_PUBLIC_URL", "http://[2001:db8::1]")]), &["server.public_url", "https://"]),
        ("", &oidc(&[("OIDC_CLIENT_ID", "")]), &["auth.oidc.client_id"]),
        ("", &oidc(&[("OIDC_ISSUER_URL", "http://idp.example")]), &["auth.oidc.issuer", "https://"]),
        ("", &oidc(&[("OIDC_SCOPES", "openid,email")]), &["auth.oidc", "blanks"]),
        ("", &oidc(&[("OIDC_REDIRECT_URI", "https://elsewhere.example/auth/callback")]), &["auth.oidc.redirect_uri"]),
        ("", &oidc(&[("RETINUE_LISTEN", "0.0.0.0:80")]), &["server.public_url", "RETINUE_PUBLIC_URL"]),
        ("", &oidc(&[("RETINUE_PUBLIC_URL", "http://agents.example.com")]), &["server.public_url", "https://"]),
        ("[auth]\nadmins = [\"alice@example.com\"]\n", &oidc(&[]), &["auth.admins[0]", "verified:"]),
        ("[auth.local]\nenabled = true\n", &[], &["auth.local.enabled", "AUTH_MODE=local"]),
        (
            "[auth.local]\nregistration = \"open\"\n",
            &[("AUTH_MODE", "local")],
            &["auth.local.registration", "mail.host"],
        ),
        ("[auth.local]\nregistration = \"all\"\n", &[], &["auth.local.registration"]),
        ("", &[("AUTH_MODE", "local"), ("RETINUE_LISTEN", "0.0.0.0:80")], &["server.public_url"]),
        ("", &[("AUTH_MODE", "local"), ("OIDC_ISSUER_URL", "https://idp.example")], &["auth.oidc.issuer", "`local`"]),
        ("[mail]\nhost = \"mail.example\"\n", &[], &["mail.from"]),
        ("[mail]\nfrom = \"a@example.com\"\n", &[], &["mail.from", "mail.host"]),
        ("[mail]\nhost = \"mail.example\"\nfrom = \"a@example.com\"\ntls = \"none\"\n", &[], &["mail.tls"]),
        ("[mail]\nhost = \"mail.example\"\nfrom = \"a@example.com\"\nusername = \"u\"\n", &[], &["mail.password"]),
        ("[auth.oidc]\nclient_authentication = \"private_key_jwt\"\n", &oidc(&[]), &["auth.oidc.private_key_file"]),
        (
            "[[auth.providers]]\nname = \"sso\"\nissuer = \"https://b.example\"\nclient_id = \"x\"\n",
            &oidc(&[]),
            &["auth.providers[0].name", "stands twice"],
        ),
        ("[[auth.providers]]\nname = \"b\"\n", &oidc(&[]), &["auth.providers[0].issuer"]),
        ("[server]\ntrusted_proxies = [\"10.0.0.0/33\"]\n", &[], &["server.trusted_proxies"]),
        ("", &[("DISABLE_AUTH", "maybe")], &["DISABLE_AUTH", "true or false"]),
        ("", &[("RETINUE__SERVER__NO", "1")], &["RETINUE__SERVER__NO", "no key"]),
        ("", &[("RETINUE__SERVER__MAX_CONNECTIONS", "0")], &["server.max_connections", "at least 1"]),
        ("", &[("RETINUE__RUNS__RETRIES", "two")], &["RETINUE__RUNS__RETRIES", "whole number"]),
        (
            "",
            &[("RETINUE_LISTEN", "127.0.0.1:1"), ("RETINUE__SERVER__LISTEN", "127.0.0.1:2")],
            &["both set `server.listen`"],
        ),
        ("[[models]]\nname = \"a\"\n", &[], &["models[0]", "base_url"]),
        (
            "[[models]]\nname = \"a\"\nbase_url = \"http://x/v1\"\napi_key_env = \"NO_SUCH\"\n",
            &[],
            &["models[0].api_key_env", "NO_SUCH"],
        ),
        (
            "[[agents]]\nslug = \"a\"\nname = \"x\"\ninstructions = \"y\"\nlimits = { turns = 0 }\n",
            &[],
            &["agents[0].limits", "1 to 1000"],
        ),
        ("[[agents]]\nslug = \"A b\"\nname = \"x\"\ninstructions = \"y\"\n", &[], &["agents[0].slug", "lower-case"]),
        ("[[models]]\nname = \"a\"\nbase_url = \"ftp://x\"\n", &[], &["models[0].base_url", "http"]),
    ];
    are_refused(cases);
}

#[test]
fn bounds_of_what_lets_people_in_are_told_by_key() {
    let cases: &[Case<'_>] = &[
        ("[auth.local]\npassword_memory_kib = 1\n", &[("AUTH_MODE", "local")], &["auth.local.password_memory_kib"]),
        ("[auth.sessions]\nidle_hours = 0\n", &oidc(&[]), &["auth.sessions.idle_hours"]),
        ("[auth.sessions]\nabsolute_hours = 8785\n", &oidc(&[]), &["auth.sessions.absolute_hours"]),
        ("[auth.oidc]\nleeway_seconds = 301\n", &oidc(&[]), &["auth.oidc.leeway_seconds", "300"]),
        ("[auth.oidc]\nrefresh_minutes = 0\n", &oidc(&[]), &["auth.oidc.refresh_minutes", "at least 1"]),
        (
            "[auth.local]\npassword_iterations = 0\n",
            &[("AUTH_MODE", "local")],
            &["auth.local.password_iterations", "1 to"],
        ),
        ("[auth.local]\npassword_lanes = 17\n", &[("AUTH_MODE", "local")], &["auth.local.password_lanes", "1 to 16"]),
    ];
    are_refused(cases);
}

fn are_refused(cases: &[Case<'_>]) {
    for (file, environment, words) in cases {
        let folder = folder();
        fs::write(folder.path().join("retinue.toml"), file).unwrap();
        let said = complaint(&retinue(folder.path(), &["config", "check"], environment), 2);
        for word in *words {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
        assert!(!folder.path().join("data").exists(), "nothing was touched");
    }
}

/// A file that says what is so anyway sets up nothing.
#[test]
fn the_reference_as_a_file_is_a_right_configuration() {
    let folder = folder();
    fs::write(folder.path().join("retinue.toml"), include_str!("../../config.default.toml")).unwrap();
    let output = retinue(folder.path(), &["config", "check"], &[]);
    assert!(output.status.success(), "{}", complaint(&output, 0));
    let near = oidc(&[
        ("RETINUE_PUBLIC_URL", "http://[::1]:8080"),
        ("OIDC_REDIRECT_URI", "http://[::1]:8080/auth/callback/sso"),
    ]);
    let output = retinue(folder.path(), &["config", "check"], &near);
    assert!(output.status.success(), "{}", complaint(&output, 0));
}

#[test]
fn a_right_configuration_is_shown_without_its_secrets() {
    let folder = folder();
    fs::write(folder.path().join("retinue.toml"), "[server]\nallowed_hosts = [\"a.example\"]\n").unwrap();
    let environment = [
        ("OPENAI_API_KEY", "sk-very-secret"),
        ("DATABASE_URL", "postgres://alice:hunter2@db.example/retinue"),
        ("RETINUE__RUNS__MAX_CONCURRENT", "7"),
        ("AUTH_MODE", ""),
    ];
    assert!(retinue(folder.path(), &["config", "check"], &environment).status.success());
    let output = retinue(folder.path(), &["config", "show"], &environment);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(!shown.contains("very-secret") && !shown.contains("hunter2"), "{shown}");
    for line in [
        "openai_api_key = \"(hidden)\"                    # environment OPENAI_API_KEY",
        "url = \"postgres://alice:(hidden)@db.example/retinue\" # environment DATABASE_URL",
        "allowed_hosts = [\"a.example\"]                  # retinue.toml",
        "max_concurrent = 7                             # environment RETINUE__RUNS__MAX_CONCURRENT",
        "mode = \"single_user\"                           # default",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.lines().any(|shown| squeezed(shown) == squeezed(line)), "{line} is not in:\n{shown}");
    }
}

#[test]
fn migrations_go_up_and_down_and_ask_first() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        let output = retinue(folder.path(), arguments, &[]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + str::from_utf8(&output.stderr).unwrap())
    };
    let status = |before: &str, last: &str| {
        format!("   1  {before}  0001_threads\n   2  {before}  0002_identity\n   3  {last}  0003_teams\n")
    };
    assert_eq!(run(&["migrate", "status"]), (Some(0), status("pending", "pending")));
    assert!(!folder.path().join("data").exists(), "looking changes nothing");
    assert_eq!(run(&["migrate", "up"]), (Some(0), "Migrated to version 3.\n".to_owned()));
    assert_eq!(run(&["migrate", "up"]).1, "Nothing to do: the database is current.\n");
    let (code, said) = run(&["migrate", "down"]);
    assert!(code == Some(1) && said.contains("version 3, and with it teams") && said.contains("--yes"), "{said}");
    assert_eq!(run(&["migrate", "status"]).1, status("applied", "applied"), "nothing was taken back yet");
    let (code, said) = run(&["migrate", "down", "--yes"]);
    assert!(code == Some(0) && said.starts_with("Took back version 3.\nGone with it: teams"), "{said}");
    assert_eq!(run(&["migrate", "status"]).1, status("applied", "pending"));
}

#[test]
fn a_data_folder_is_private_and_must_be_writable() {
    let folder = folder();
    assert!(retinue(folder.path(), &["migrate", "up"], &[]).status.success());
    let data = folder.path().join("data");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("retinue.db"))), (0o700, 0o600));

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let dir = file.join("data");
    let said =
        complaint(&retinue(folder.path(), &["migrate", "up"], &[("RETINUE_DATA_DIR", dir.to_str().unwrap())]), 1);
    assert!(said.contains("RETINUE_DATA_DIR"), "{said}");
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let folder = folder();
    assert!(retinue(folder.path(), &["migrate", "up"], &[]).status.success());
    let database = rusqlite::Connection::open(folder.path().join("data/retinue.db")).unwrap();
    database.execute("INSERT INTO migrations (version, name) VALUES (99, 'from the future')", []).unwrap();
    drop(database);
    for arguments in [&["serve"][..], &["migrate", "up"], &["migrate", "down", "--yes"]] {
        let environment = [("RETINUE_LISTEN", "127.0.0.1:0"), ("RETINUE__METRICS__LISTEN", "off")];
        let said = complaint(&retinue(folder.path(), arguments, &environment), 1);
        assert!(said.contains("version 99") && said.contains("newer"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_or_a_database_in_use_is_said_plainly() {
    let folder = folder();
    let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path()).start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let listen = program.address().to_string();
    let environment = [("RETINUE_LISTEN", listen.as_str()), ("RETINUE__METRICS__LISTEN", "off")];
    let said = complaint(&retinue(elsewhere.path(), &[], &environment), 1);
    assert!(said.contains("is in use") && said.contains("server.listen"), "{said}");
    assert!(!elsewhere.path().join("data").exists(), "the port is looked at before anything is written");

    let environment = [("RETINUE_LISTEN", "127.0.0.1:0"), ("RETINUE__METRICS__LISTEN", "off")];
    let said = complaint(&retinue(folder.path(), &[], &environment), 1);
    assert!(said.contains("Another Retinue is using"), "{said}");
    let status = retinue(folder.path(), &["migrate", "status"], &[]);
    assert!(
        String::from_utf8(status.stdout).unwrap().starts_with("   1  applied  0001_threads\n"),
        "looking needs no lock"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_it_is_told_and_starts_again_where_it_was() {
    let folder = folder();
    let launcher = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path());
    let program = launcher.start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/api/threads", program.address());
    let created = client.post(&url).json(&serde_json::json!({"title": "Kept"})).send().await.unwrap();
    assert_eq!(created.status(), 201);
    assert_eq!(program.stop().await.code(), Some(0));
    // What was stopped can be copied as it is: all of it is in the one file.
    assert_eq!(fs::metadata(folder.path().join("data/retinue.db-wal")).map_or(0, |log| log.len()), 0);
    let program = launcher.start().await;
    let url = format!("http://{}/api/threads", program.address());
    let threads: serde_json::Value = client.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(threads["data"][0]["title"], "Kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let (folder, model) = (folder(), ModelServer::start().await);
    let mut program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path())
        .environment("OPENAI_BASE_URL", &model.base_url())
        .environment("RETINUE__PROVIDERS__OLLAMA", "false")
        .environment("RETINUE__SERVER__SHUTDOWN_SECONDS", "60")
        .start()
        .await;
    program.says("models", 1).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let threads = format!("http://{}/api/threads", program.address());
    let thread: Value = client.post(&threads).json(&json!({})).send().await.unwrap().json().await.unwrap();
    let runs = format!("{threads}/{}/runs", thread["id"].as_str().unwrap());
    assert_eq!(client.post(&runs).json(&json!({"input": "Hello"})).send().await.unwrap().status(), 201);
    let _silent = model.next().await;

    program.signal("TERM").await;
    program.says("stopping: answers under way may finish", 1).await;
    let told = Instant::now();
    program.signal("TERM").await;
    let (status, said) = program.ended().await;
    assert!(told.elapsed() < Duration::from_secs(1), "it took {:?}", told.elapsed());
    assert_eq!(status.code(), Some(130), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_wait_for_connections_too() {
    let folder = folder();
    let mut program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path()).start().await;
    // Half a request: it is waited for.
    let mut half = tokio::net::TcpStream::connect(program.address()).await.unwrap();
    let head = b"POST /api/threads HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    half.write_all(head).await.unwrap();
    half.write_all(b"content-length: 9\r\nexpect: 100-continue\r\n\r\n").await.unwrap();
    half.read_exact(&mut [0; 12]).await.unwrap();
    program.signal("INT").await;
    program.says("stopping: answers under way may finish", 1).await;
    let told = Instant::now();
    program.signal("INT").await;
    let (status, said) = program.ended().await;
    assert!(told.elapsed() < Duration::from_secs(1), "it took {:?}", told.elapsed());
    assert_eq!(status.code(), Some(130), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_on_a_listener_of_their_own() {
    let folder = folder();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path())
        .environment("RETINUE__METRICS__LISTEN", &free.to_string())
        .start()
        .await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str| client.get(format!("http://{}{path}", program.address())).send().await.unwrap();
    for path in ["/api/threads", "/api/threads", "/api/threads?limit=0", "/api/threads/thr_x", "/nothing"] {
        ask(path).await;
    }
    let metrics = client.get(format!("http://{free}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("retinue_http_request_seconds_bucket{route=\"/api/threads\""), "{metrics}");
    for (route, status, count) in
        [("/api/threads", 200, 2), ("/api/threads", 400, 1), ("/api/threads/{id}", 404, 1), ("", 404, 1)]
    {
        let line = format!("retinue_http_request_seconds_count{{route=\"{route}\",status=\"{status}\"}} {count}");
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
    let statements = metrics.lines().find_map(|line| line.strip_prefix("retinue_database_statements_total "));
    assert!(statements.unwrap().parse::<u64>().unwrap() >= 2, "{metrics}");
    assert_eq!(ask("/metrics").await.status(), 404);
    let rebound =
        client.get(format!("http://{free}/metrics")).header("host", "elsewhere.example").send().await.unwrap();
    assert_eq!(rebound.status(), 421, "no page elsewhere reads them under a name of its own");
    assert_eq!(rebound.headers()["x-content-type-options"], "nosniff");
}
