//! `retinue user …` and `retinue thread transfer`, as they are typed, and the link on the console.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use retinue_store::Location;
use retinue_testkit::{Database, LetterBox, ModelServer, Person, Program, Running, keeps, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

const PASSWORD: &str = "correct horse battery staple";
const CHANGED: &str = "How you sign in to Retinue was changed";

/// The binary in a folder, over a database, with this on standard input.
struct Typed {
    folder: TempDir,
    database: Option<String>,
}

impl Typed {
    fn on(database: Option<&Database>) -> Self {
        let url = database.map(|database| match database.location() {
            Location::Postgres { url, .. } => url.clone(),
            Location::Sqlite(_) => unreachable!(),
        });
        Self { folder: tempfile::tempdir().unwrap(), database: url }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retinue"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(self.database.iter().map(|url| ("DATABASE_URL", url)));
        let mut child = command.spawn().unwrap();
        // One that does not read it has ended before.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        child.wait_with_output().unwrap()
    }

    fn said(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn complaint(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, arguments: &[&str], input: &str) -> Value {
        serde_json::from_str(&self.said(&[arguments, &["--json"]].concat(), input)).unwrap()
    }

    fn program(&self, mode: &str) -> Program {
        let program = Program::new(env!("CARGO_BIN_EXE_retinue"), self.folder.path()).environment("AUTH_MODE", mode);
        self.database.iter().fold(program, |program, url| program.environment("DATABASE_URL", url))
    }

    async fn serve(&self, mode: &str) -> Running {
        self.program(mode).start().await
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The cookie of a session, or the status.
async fn login(server: &Running, email: &str, password: &str) -> Result<String, u16> {
    let request = client().post(format!("http://{}/auth/login", server.address()));
    let response = request.json(&json!({"email": email, "password": password})).send().await.unwrap();
    let cookie = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
    cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned()).ok_or_else(|| response.status().as_u16())
}

async fn threads(server: &Running, cookie: &str) -> (u16, Value) {
    let request = client().get(format!("http://{}/api/threads", server.address())).header("cookie", cookie);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn people_are_kept_beside_a_running_server(typed: Typed) {
    // Before the first start there is no database.
    let ada = typed.json(&["user", "add", "ada@example.com", "--name", "Ada", "--admin"], PASSWORD);
    assert_eq!((&ada["name"], &ada["organization_admin"]), (&json!("Ada"), &json!(true)));
    let server = typed.serve("local").await;
    let said = typed.said(&["user", "add", "grace@example.com"], &format!("{PASSWORD}\r\n"));
    assert!(said.starts_with("Added grace (grace@example.com, usr_"), "{said}");
    let grace = login(&server, "grace@example.com", PASSWORD).await.unwrap();
    assert_eq!(threads(&server, &grace).await.0, 200);
    typed.said(&["user", "disable", "grace@example.com"], "");
    until("the server hears of it", Duration::from_secs(20), async || {
        (threads(&server, &grace).await.0 == 401).then_some(())
    })
    .await;
    assert_eq!(login(&server, "grace@example.com", PASSWORD).await, Err(401));
    let listed = typed.said(&["user", "list"], "");
    assert!(listed.contains("administrator") && listed.contains("disabled"), "{listed}");
    assert!(!listed.contains("Local user"), "{listed}");
    let grace = typed.json(&["user", "enable", "grace@example.com"], "");
    let granted = typed.json(&["user", "grant-admin", "grace@example.com"], "");
    assert_eq!(granted["organization_admin"], json!(true));
    let said = typed.said(&["user", "revoke-admin", "grace@example.com"], "");
    let id = grace["id"].as_str().unwrap();
    assert_eq!(said, format!("grace (grace@example.com, {id}) is no administrator any more.\n"));
    assert!(typed.complaint(&["user", "revoke-admin", "ada@example.com"], "").contains("Nobody else"));
    let said = typed.said(&["user", "set-password", grace["id"].as_str().unwrap()], "another good one");
    assert!(said.contains("Nobody has shown yet that grace@example.com is theirs"), "{said}");
    assert_eq!(login(&server, "grace@example.com", PASSWORD).await, Err(401));
    assert!(login(&server, "grace@example.com", "another good one").await.is_ok());
    for (arguments, input, word) in [
        (&["user", "add", "ada@example.com"][..], PASSWORD, "already"),
        (&["user", "add", "eve@example.com"], "", "standard input"),
        (&["user", "add", "eve@example.com"], "12345678", "first that others would try"),
        (&["user", "add", "eve@example.com\r\nBcc: x@example.com"], PASSWORD, "not an e-mail address"),
        (&["user", "disable", "eve@example.com"], "", "no such user"),
        (&["user", "disable", "usr_00000000000000000000000001"], "", "no such user"),
    ] {
        let complaint = typed.complaint(arguments, input);
        assert!(complaint.contains(word), "{arguments:?}: {complaint}");
    }
    assert_eq!(typed.json(&["user", "list"], "").as_array().unwrap().len(), 2);
    assert!(server.stop().await.success());
}

async fn whoever_is_disabled_is_out_within_a_second_with_their_streams(typed: Typed) {
    typed.said(&["user", "add", "ada@example.com"], PASSWORD);
    let model = ModelServer::start().await;
    let server = typed.program("local").environment("OPENAI_BASE_URL", &model.base_url()).start().await;
    keeps(Duration::from_secs(1), "who is disabled on the command line", async || {
        let ada = Person::at(format!("http://{}", server.address()));
        assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
        let run = ada.say(&ada.thread().await, "Hello").await;
        let answer = model.next().await.begin();
        answer.say("word").await;
        let mut events = ada.follow(&run).await;
        events.until("message.delta").await;
        typed.said(&["user", "disable", "ada@example.com"], "");
        let disabled = Instant::now();
        let stream = async { while events.next().await.is_some() {} };
        timeout(Duration::from_secs(20), stream).await.expect("the stream goes on");
        assert_eq!(ada.status(Method::GET, "/auth/me").await, 401);
        let took = disabled.elapsed();
        typed.said(&["user", "enable", "ada@example.com"], "");
        took
    })
    .await;
    assert!(server.stop().await.success());
}

/// In a folder where mail goes to this port.
fn inviting(port: u16) -> Typed {
    let typed = Typed::on(None);
    let mail = format!(
        "[mail]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"Retinue <retinue@example.com>\"\n"
    );
    std::fs::write(typed.folder.path().join("retinue.toml"), mail).unwrap();
    typed
}

/// What is printed may be kept by whatever runs the command.
#[test]
fn an_invitation_that_can_t_be_sent_is_not_shown_unless_that_is_wanted() {
    let typed = inviting(1);
    for arguments in [&["user", "invite", "ada@example.com"][..], &["user", "invite", "ada@example.com", "--json"]] {
        let output = typed.run(arguments, "");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{complaint}");
        assert!(complaint.contains("The mail was not sent: ") && complaint.contains("--no-mail"), "{complaint}");
        assert!(!complaint.contains("token="), "{complaint}");
    }
    let said = typed.said(&["user", "invite", "ada@example.com", "--no-mail"], "");
    assert!(said.starts_with("Give this link to ada@example.com.") && said.contains("/auth/register?token="), "{said}");
    assert!(typed.json(&["user", "invite", "ada@example.com", "--no-mail"], "")["link"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gets_another_password_is_told_where_that_can_be() {
    let letters = LetterBox::open().await;
    let typed = inviting(letters.port());
    typed.said(&["user", "add", "ada@example.com"], PASSWORD);
    let set = ["user", "set-password", "ada@example.com"];
    let said = typed.said(&set, "another good one");
    assert!(said.contains("A mail tells them."), "{said}");
    let mail = letters.next().await;
    assert_eq!((mail.to.as_slice(), mail.subject().as_str()), (&["ada@example.com".to_owned()][..], CHANGED));
    assert!(mail.text().contains("A password was set") && !mail.text().contains("another good one"), "{}", mail.text());
    assert_eq!(typed.json(&set, PASSWORD)["told"], json!(true));
    assert_eq!(letters.next().await.subject(), CHANGED);

    let nowhere = "[mail]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nfrom = \"retinue@example.com\"\n";
    std::fs::write(typed.folder.path().join("retinue.toml"), nowhere).unwrap();
    let said = typed.said(&set, PASSWORD);
    assert!(said.contains("The mail was not sent: ") && said.contains("Tell them yourself."), "{said}");
    std::fs::remove_file(typed.folder.path().join("retinue.toml")).unwrap();
    assert_eq!(typed.json(&set, PASSWORD)["told"], json!(false), "no mail is set up");
}

mod smtp_sink {
    use retinue_testkit::SmtpSink;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs the SMTP sink"]
    async fn an_invitation_is_sent() {
        let sink = SmtpSink::start().await;
        let typed = super::inviting(sink.port());
        let said = typed.said(&["user", "invite", "ada@example.com"], "");
        assert!(said.starts_with("A mail to ada@example.com has the link.") && !said.contains("token="), "{said}");
        let mail = sink.next().await;
        assert_eq!(
            (mail.to.as_slice(), mail.subject().as_str()),
            (&["ada@example.com".to_owned()][..], "You are invited to Retinue")
        );
        assert!(mail.text().contains("/auth/register?token="), "{}", mail.text());
    }
}

async fn conversations_from_before_are_handed_over(typed: Typed) {
    let server = typed.serve("single_user").await;
    for _ in 0..2 {
        let made = client().post(format!("http://{}/api/threads", server.address())).json(&json!({})).send().await;
        assert_eq!(made.unwrap().status(), 201);
    }
    assert!(server.stop().await.success());
    let said = typed.said(&["user", "add", "ada@example.com"], PASSWORD);
    assert!(said.contains("AUTH_MODE=local"), "{said}");
    let server = typed.serve("local").await;
    let ada = login(&server, "ada@example.com", PASSWORD).await.unwrap();
    assert_eq!(threads(&server, &ada).await.1["data"], json!([]));
    let said = typed.said(&["thread", "transfer", "--from", "local", "--to", "ada@example.com"], "");
    assert!(said.starts_with("2 conversations belong to ada (ada@example.com, usr_"), "{said}");
    assert_eq!(threads(&server, &ada).await.1["data"].as_array().unwrap().len(), 2);
    let again = typed.json(&["thread", "transfer", "--from", "local", "--to", "ada@example.com"], "");
    assert_eq!(again["threads"], json!(0));
    assert_eq!(
        typed.run(&["thread", "transfer", "--from", "grace@example.com", "--to", "ada@example.com"], "").status.code(),
        Some(2)
    );
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn sqlite_people_are_kept_beside_a_running_server() {
    people_are_kept_beside_a_running_server(Typed::on(None)).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn postgres_people_are_kept_beside_a_running_server() {
    people_are_kept_beside_a_running_server(Typed::on(Some(&Database::postgres().await))).await;
}

#[tokio::test]
async fn sqlite_whoever_is_disabled_is_out_within_a_second_with_their_streams() {
    whoever_is_disabled_is_out_within_a_second_with_their_streams(Typed::on(None)).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn postgres_whoever_is_disabled_is_out_within_a_second_with_their_streams() {
    whoever_is_disabled_is_out_within_a_second_with_their_streams(Typed::on(Some(&Database::postgres().await))).await;
}

#[tokio::test]
async fn sqlite_conversations_from_before_are_handed_over() {
    conversations_from_before_are_handed_over(Typed::on(None)).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL; `cargo xtask test` provides it"]
async fn postgres_conversations_from_before_are_handed_over() {
    conversations_from_before_are_handed_over(Typed::on(Some(&Database::postgres().await))).await;
}

/// What a start says on the console until it is ready, and what it logs.
fn console(folder: &Path) -> (String, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_retinue"))
        .current_dir(folder)
        .env_clear()
        .envs([("AUTH_MODE", "local"), ("RETINUE_LISTEN", "127.0.0.1:0"), ("RETINUE__METRICS__LISTEN", "off")])
        .envs([("RETINUE__LOG__FORMAT", "json"), ("RETINUE__LOG__FILTER", "trace")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = std::io::BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    server.kill().unwrap();
    let output = server.wait_with_output().unwrap();
    (line, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_console_shows_the_set_up_link_and_the_log_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (first, log) = console(folder.path());
    assert!(first.starts_with("  Set up    http://"), "in line with what is said around it: {first}");
    let token = |line: &str| line.trim_end().split_once("/set-up?token=").unwrap().1.to_owned();
    assert!(log.contains("\"ready\"") && !log.contains(&token(&first)), "{log}");
    let (second, _) = console(folder.path());
    assert_ne!(token(&first), token(&second), "each start makes another one");
}
