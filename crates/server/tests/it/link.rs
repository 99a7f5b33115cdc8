//! Links and codes that come by mail, through the doors, and by a mail server that others wrote.

pub(crate) mod another_address;
mod beside;
mod first_mail;
mod hung_up;
mod without_mail;

use reqwest::Method;
use retinue_app::local::Registration;
use retinue_testkit::{Database, Mail, Person, SmtpSink, TestApp};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const ADA: &str = "ada@example.com";

macro_rules! with_mail {
    ($($name:ident: $registration:ident,)*) => {
        mod smtp_sink {
            mod sqlite {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs the SMTP sink"]
                async fn $name() {
                    super::super::start(super::super::Database::sqlite(), super::super::Registration::$registration, async |app, sink| {
                        super::super::$name(app, sink).await;
                    }).await;
                })*
            }
            mod postgres {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs PostgreSQL and the SMTP sink"]
                async fn $name() {
                    super::super::start(super::super::Database::postgres().await, super::super::Registration::$registration, async |app, sink| {
                        super::super::$name(app, sink).await;
                    }).await;
                })*
            }
        }
    };
}

mod errand;

with_mail! {
    a_link_signs_in_once_and_looking_at_it_uses_nothing: Closed,
    a_code_is_typed_on_another_device: Closed,
    a_code_may_be_tried_five_times: Closed,
    nobody_learns_who_has_an_account: Open,
    a_link_sets_another_password_and_ends_all_sessions: Closed,
    whoever_registers_exists_when_the_link_is_opened: Open,
    an_address_is_changed_when_its_link_is_opened: Closed,
    whose_password_is_set_is_told: Closed,
    who_asks_for_many_mails_is_slowed_down: Closed,
}

async fn start(database: Database, registration: Registration, test: impl AsyncFnOnce(&TestApp, &SmtpSink)) {
    let sink = SmtpSink::start().await;
    let app = TestApp::local_with(database, registration, Some(sink.port())).await;
    test(&app, &sink).await;
}

/// The path of the link in a mail, and its token.
pub(crate) fn link(app: &TestApp, mail: &Mail) -> (String, String) {
    let text = mail.text();
    let line = text.lines().find(|line| line.starts_with(&app.url("/"))).unwrap_or_else(|| panic!("no link: {text}"));
    let path = line.strip_prefix(&app.url("")).unwrap().trim().to_owned();
    let token = path.split_once("token=").map(|(_, token)| token.to_owned()).unwrap_or_default();
    (path, token)
}

pub(crate) fn code(mail: &Mail) -> String {
    mail.text().lines().find_map(|line| line.split_once("you asked for it: ")).unwrap().1.trim().to_owned()
}

async fn ask(app: &TestApp, path: &str, email: &str) -> (u16, Value) {
    Person::stranger(app).post(path, &json!({"email": email})).await
}

async fn verify(person: &Person, body: &Value) -> (u16, String) {
    let (status, answer) = person.post("/auth/magic-link/verify", body).await;
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

async fn a_link_signs_in_once_and_looking_at_it_uses_nothing(app: &TestApp, sink: &SmtpSink) {
    let user = app.add_user(ADA, None).await;
    let ada = Person::stranger(app);
    let page = ada.submit("/auth/magic-link", &[("email", "Ada@Example.com")]).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("a mail is on its way") && page.contains("name=\"code\""), "{page}");
    let mail = sink.next().await;
    assert_eq!((mail.to.as_slice(), mail.subject().as_str()), (&[ADA.to_owned()][..], "Sign in to Retinue"));
    let (path, token) = link(app, &mail);
    assert!(!page.contains(&token) && !page.contains(&code(&mail)));
    for method in [Method::GET, Method::HEAD, Method::GET] {
        assert_eq!(ada.status(method, &path).await, 200);
    }
    let opened = ada.send(ada.request(Method::GET, &path).header("accept", "text/html")).await;
    assert_eq!(opened.headers()["referrer-policy"], "no-referrer");
    assert!(opened.text().await.unwrap().contains(&token));
    let people = [Person::stranger(app), Person::stranger(app)];
    let form = [("token", token.as_str())];
    let (one, other) = tokio::join!(
        people[0].submit("/auth/magic-link/verify", &form),
        people[1].submit("/auth/magic-link/verify", &form)
    );
    let mut statuses = [one.status().as_u16(), other.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409], "of two one gets in");
    assert_eq!(verify(&ada, &json!({"token": token})).await, (409, "token_spent".to_owned()));
    let spent = ada.open(&path).await;
    assert_eq!(spent.status(), 409);
    let spent = spent.text().await.unwrap();
    assert!(spent.contains("used already") && spent.contains("href=\"/auth/magic-link\"") && !spent.contains("<form"));
    let winner = people.iter().find(|person| !person.session_cookie().is_empty()).unwrap();
    assert_eq!(winner.id().await, user.id.to_string());
    assert_eq!(winner.get("/api/sessions").await["data"][0]["method"], json!("link"));
    ask(app, "/auth/magic-link", ADA).await;
    let (_, token) = link(app, &sink.next().await);
    app.clock.advance(std::time::Duration::from_mins(15));
    assert_eq!(verify(&ada, &json!({"token": token})).await, (409, "token_spent".to_owned()), "too old");
}

async fn a_code_is_typed_on_another_device(app: &TestApp, sink: &SmtpSink) {
    let user = app.add_user(ADA, None).await;
    ask(app, "/auth/magic-link", ADA).await;
    let first = sink.next().await;
    ask(app, "/auth/magic-link", ADA).await;
    let second = sink.next().await;
    let elsewhere = Person::stranger(app);
    let typed = code(&second).to_lowercase().replace('-', " ");
    let old = json!({"email": ADA, "code": code(&first)});
    assert_eq!(verify(&elsewhere, &old).await.1, "code_wrong", "only the newest counts");
    assert_eq!(verify(&elsewhere, &json!({"email": ADA, "code": typed})).await.0, 200);
    assert_eq!(elsewhere.id().await, user.id.to_string());
    for mail in [&first, &second] {
        assert_eq!(verify(&elsewhere, &json!({"token": link(app, mail).1})).await.0, 409, "all of them are used up");
    }
}

/// And whoever has none sets one only after opening a mail.
async fn whose_password_is_set_is_told(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, None).await;
    let ada = Person::stranger(app);
    let come = async || {
        ask(app, "/auth/magic-link", ADA).await;
        let token = link(app, &sink.next().await).1;
        assert_eq!(verify(&ada, &json!({"token": token})).await.0, 200);
    };
    come().await;
    app.clock.advance(std::time::Duration::from_mins(16));
    let set = async || ada.submit("/account/password", &[("password", PASSWORD)]).await;
    assert_eq!(retinue_testkit::location(&set().await), "/sign-in?return_to=%2Faccount&again=1");
    assert_eq!(sink.waiting(), 0);
    come().await;
    assert_eq!(retinue_testkit::location(&set().await), "/account");
    let mail = sink.next().await;
    assert_eq!(
        (mail.to.as_slice(), mail.subject().as_str()),
        (&[ADA.to_owned()][..], "How you sign in to Retinue was changed")
    );
    assert!(mail.text().contains("A password was set") && !mail.text().contains(PASSWORD), "{}", mail.text());
}

async fn a_code_may_be_tried_five_times(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, None).await;
    ask(app, "/auth/magic-link", ADA).await;
    let mail = sink.next().await;
    let person = Person::stranger(app);
    let guesses = (0..100).map(|number| {
        let body = json!({"email": ADA, "code": format!("0000-{number:04}")});
        let person = &person;
        async move { verify(person, &body).await }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let wrong = answers.iter().filter(|(status, code)| (*status, code.as_str()) == (400, "code_wrong")).count();
    let late = answers.iter().filter(|(status, _)| *status == 429).count();
    assert_eq!((wrong, late), (5, 95));
    app.clock.advance(std::time::Duration::from_mins(1));
    let right = json!({"email": ADA, "code": code(&mail)});
    assert_eq!(verify(&person, &right).await, (400, "code_wrong".to_owned()), "it is dead");
    assert_eq!(verify(&person, &json!({"token": link(app, &mail).1})).await.0, 200, "the link is not");
}

async fn nobody_learns_who_has_an_account(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, Some(PASSWORD)).await;
    let gone = app.add_user("gone@example.com", Some(PASSWORD)).await;
    app.administration().await.disable(&gone).await.unwrap();
    for path in ["/auth/magic-link", "/auth/password-reset"] {
        let mut answers = Vec::new();
        for email in ["nobody@example.com", "gone@example.com", ADA] {
            let (status, answer) = ask(app, path, email).await;
            let page = Person::stranger(app).submit(path, &[("email", email)]).await.text().await.unwrap();
            answers.push((status, answer, page.replace(email, "…")));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 200), "{answers:?}");
        for _ in 0..2 {
            assert_eq!(sink.next().await.to, [ADA]);
        }
        assert_eq!(sink.waiting(), 0);
    }
    // All of that is forgotten.
    app.clock.advance(std::time::Duration::from_hours(2));
    let known = ask(app, "/auth/register", ADA).await;
    assert_eq!(known, ask(app, "/auth/register", "new@example.com").await);
    // A code for somebody who is not known is wrong in the same way.
    ask(app, "/auth/magic-link", "other@example.com").await;
    for email in ["other@example.com", ADA, "never@example.com"] {
        let answer = verify(&Person::stranger(app), &json!({"email": email, "code": "0000-0000"})).await;
        assert_eq!(answer, (400, "code_wrong".to_owned()));
    }
    for evil in ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com,eve@example.com", "<ada@example.com>"] {
        for path in ["/auth/magic-link", "/auth/password-reset", "/auth/register"] {
            let (status, problem) = ask(app, path, evil).await;
            assert_eq!((status, &problem["code"]), (400, &json!("invalid_email")));
        }
    }
}

async fn a_link_sets_another_password_and_ends_all_sessions(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, Some(PASSWORD)).await;
    let (before, ada) = (Person::stranger(app), Person::stranger(app));
    assert_eq!(before.sign_in_with(ADA, PASSWORD).await.status(), 303);
    ask(app, "/auth/password-reset", ADA).await;
    let (path, token) = link(app, &sink.next().await);
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(ada.status(method, &path).await, 200);
    }
    let page = ada.open(&path).await.text().await.unwrap();
    assert!(page.contains(&format!("value=\"{ADA}\" autocomplete=\"username\"")), "for password managers: {page}");
    let reset = async |person: &Person, password: &str| {
        person
            .submit("/auth/password-reset/verify", &[("token", &token), ("password", password)])
            .await
            .status()
            .as_u16()
    };
    assert_eq!(verify(&ada, &json!({"token": token})).await.0, 409, "it is no link to sign in");
    assert_eq!(reset(&ada, "short").await, 400);
    assert_eq!(reset(&ada, "another good one").await, 303);
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 200);
    assert_eq!(before.status(Method::GET, "/api/threads").await, 401);
    assert_eq!(reset(&ada, "a third good one").await, 409);
    assert_eq!(before.sign_in_with(ADA, PASSWORD).await.status(), 401);
    assert_eq!(before.sign_in_with(ADA, "another good one").await.status(), 303);
}

async fn whoever_registers_exists_when_the_link_is_opened(app: &TestApp, sink: &SmtpSink) {
    let sent = ask(app, "/auth/register", "New@example.com").await;
    assert_eq!(sent.0, 200);
    let mail = sink.next().await;
    let administration = app.administration().await;
    assert!(administration.list().await.unwrap().is_empty());
    let new = Person::stranger(app);
    let token = link(app, &mail).1;
    let (one, two) = (Person::stranger(app), json!({"token": token}));
    let (first, second) = tokio::join!(verify(&new, &two), verify(&one, &two));
    assert_eq!(first.0.min(second.0), 200);
    assert_eq!(first.0.max(second.0), 409);
    let users = administration.list().await.unwrap();
    assert_eq!((users.len(), users[0].email_verified, users[0].organization_admin), (1, true, false));
    assert_eq!(ask(app, "/auth/register", "new@example.com").await.0, 200);
    assert_eq!(sink.next().await.subject(), "You have an account at Retinue already");
    // Whoever has no password yet sets one.
    let winner = if first.0 == 200 { &new } else { &one };
    let page =
        winner.send(winner.request(Method::GET, "/account").header("accept", "text/html")).await.text().await.unwrap();
    assert!(page.contains("action=\"/account/password\"") && !page.contains("id=\"current_password\""), "{page}");
    assert_eq!(winner.submit("/account/password", &[("password", PASSWORD)]).await.status(), 303);
    assert_eq!(Person::stranger(app).sign_in_with("new@example.com", PASSWORD).await.status(), 303);
}

async fn an_address_is_changed_when_its_link_is_opened(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, Some(PASSWORD)).await;
    app.add_user("grace@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(app);
    ada.sign_in_with(ADA, PASSWORD).await;
    let change = async |email: &str, password: &str| {
        ada.submit("/account/email", &[("email", email), ("current_password", password)]).await.status().as_u16()
    };
    assert_eq!(change("lovelace@example.com", "wrong").await, 400);
    assert_eq!(change("grace@example.com", PASSWORD).await, 200);
    assert_eq!(sink.next().await.subject(), "You have an account at Retinue already");
    assert_eq!(change("lovelace@example.com", PASSWORD).await, 200);
    let mail = sink.next().await;
    assert_eq!(mail.to, ["lovelace@example.com"]);
    ask(app, "/auth/magic-link", ADA).await;
    let old_link = link(app, &sink.next().await).1;
    let (path, token) = link(app, &mail);
    assert_eq!(ada.status(Method::GET, &path).await, 200);
    assert_eq!(ada.get("/auth/me").await["user"]["email"], json!(ADA), "looking changes nothing");
    let confirm = async || ada.submit("/auth/email-change/verify", &[("token", &token)]).await.status().as_u16();
    assert_eq!((confirm().await, confirm().await), (303, 409));
    let told = sink.next().await;
    assert_eq!((told.to.as_slice(), told.text().contains("lovelace@")), (&[ADA.to_owned()][..], false));
    assert_eq!(ada.get("/auth/me").await["user"]["email"], json!("lovelace@example.com"));
    let other = Person::stranger(app);
    assert_eq!(verify(&other, &json!({"token": old_link})).await.0, 409, "what went to the old address is worthless");
    assert_eq!(other.sign_in_with(ADA, PASSWORD).await.status(), 401);
    assert_eq!(other.sign_in_with("lovelace@example.com", PASSWORD).await.status(), 303);
}

async fn who_asks_for_many_mails_is_slowed_down(app: &TestApp, sink: &SmtpSink) {
    app.add_user(ADA, None).await;
    for email in [ADA, "nobody@example.com"] {
        let mut statuses = Vec::new();
        for _ in 0..6 {
            statuses.push(ask(app, "/auth/magic-link", email).await.0);
        }
        assert_eq!(statuses, [200, 200, 200, 200, 429, 429], "{email}");
    }
    for _ in 0..4 {
        sink.next().await;
    }
    assert_eq!(sink.waiting(), 0);
}

#[tokio::test]
async fn registration_is_as_it_is_configured() {
    let body = json!({"email": "new@example.com"});
    for (registration, code) in [
        (Registration::Closed, "registration_closed"),
        (Registration::Invite, "registration_closed"),
        (Registration::Open, "links_disabled"),
    ] {
        let app = TestApp::local_with(Database::sqlite(), registration, None).await;
        let token = app.administration().await.invite(&"ivy@example.com".to_owned().try_into().unwrap()).await.unwrap();
        let (status, problem) = Person::stranger(&app).post("/auth/register", &body).await;
        assert_eq!((status, &problem["code"]), (403, &json!(code)), "{registration:?}");
        for path in ["/auth/magic-link", "/auth/password-reset"] {
            assert_eq!(ask(&app, path, "ivy@example.com").await.1["code"], json!("links_disabled"));
        }
        let ivy = Person::stranger(&app);
        let is_closed = registration == Registration::Closed;
        let (path, status) = (format!("/auth/register?token={token}"), if is_closed { 403 } else { 200 });
        assert_eq!(ivy.status(Method::GET, &path).await, status);
        let invited = json!({"token": token, "name": "Ivy", "password": PASSWORD});
        let (one, two) = tokio::join!(ivy.post("/auth/register", &invited), ivy.post("/auth/register", &invited));
        let statuses = [one.0.min(two.0), one.0.max(two.0)];
        assert_eq!(statuses, if is_closed { [403, 403] } else { [201, 409] });
        let there = app.administration().await.list().await.unwrap();
        assert_eq!(there.len(), usize::from(!is_closed));
    }
}

/// The program as a process of its own, whose log can be read.
mod process {
    mod smtp_sink {
        use std::io::Write as _;
        use std::process::{Command, Stdio};

        use retinue_testkit::{Program, SmtpSink};
        use serde_json::json;

        use super::super::{ADA, PASSWORD, code};

        #[tokio::test]
        #[ignore = "needs the SMTP sink"]
        async fn no_log_has_what_a_mail_says_or_a_password() {
            let sink = SmtpSink::start().await;
            let folder = tempfile::tempdir().unwrap();
            let mut add = Command::new(env!("CARGO_BIN_EXE_retinue"));
            add.args(["user", "add", ADA]).current_dir(folder.path()).env_clear().stdin(Stdio::piped());
            let mut add = add.spawn().unwrap();
            add.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
            assert!(add.wait().unwrap().success());
            let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder.path())
                .environment("AUTH_MODE", "local")
                .environment("RETINUE__LOG__FILTER", "trace")
                .environment("RETINUE__MAIL__HOST", "127.0.0.1")
                .environment("RETINUE__MAIL__PORT", &sink.port().to_string())
                .environment("RETINUE__MAIL__TLS", "none")
                .environment("RETINUE__MAIL__FROM", "Retinue <retinue@example.com>");
            let server = program.start().await;
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let post = async |path: &str, body: serde_json::Value| {
                let url = format!("http://{}{path}", server.address());
                client.post(url).json(&body).send().await.unwrap().status().as_u16()
            };
            assert_eq!(post("/auth/magic-link", json!({"email": ADA})).await, 200);
            let mail = sink.next().await;
            let text = mail.text();
            let token = text.lines().find_map(|line| line.trim().split_once("?token=")).unwrap().1;
            let url = format!("http://{}/auth/magic-link/verify?token={token}", server.address());
            assert_eq!(client.get(url).send().await.unwrap().status(), 200);
            assert_eq!(post("/auth/login", json!({"email": ADA, "password": PASSWORD})).await, 200);
            assert_eq!(post("/auth/login", json!({"email": ADA, "password": "a wrong secret"})).await, 401);
            assert_eq!(post("/auth/magic-link/verify", json!({"email": ADA, "code": "7777-7777"})).await, 400);
            assert_eq!(post("/auth/magic-link/verify", json!({"token": token})).await, 200);
            server.signal("TERM").await;
            let (_, said) = server.ended().await;
            for secret in [token, &code(&mail), "7777-7777", PASSWORD, "a wrong secret", ADA] {
                assert!(!said.contains(secret), "{secret} is in the log: {said}");
            }
        }
    }
}
