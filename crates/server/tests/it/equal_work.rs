//! Nobody learns by the time that an answer takes who has an account: the same hashes are made and as many statements are
//! run for an address that somebody has as for one that nobody has. Nothing listens where mail would go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use retinue_app::local::Registration;
use retinue_model::credential::PasswordHash;
use retinue_testkit::{Database, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

on_both_databases! {
    a_wrong_password_costs_the_same_whoever_is_meant,
    asking_for_a_mail_costs_the_same_whoever_is_meant,
}

const PASSWORD: &str = "correct horse battery staple";
/// `password`, as `hashlib.pbkdf2_hmac` of Python hashes it, and the same for twice as long an output.
const PBKDF2: &str = "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0$sYIePhT5IXESDKvnouJXtE5pTJ6Znbmef4vViYmc9Uc";
const LONGER: &str = "$pbkdf2-sha256$i=1000,l=64$c2FsdHNhbHRzYWx0$sYIePhT5IXESDKvnouJXtE5pTJ6Znbmef4vViYmc9UfUX1he8Ln4VdSHDe+uTIJU1f6+z+sbmTlY5skOkvxa4A";
const TODAY: &str = "argon2id$m=8,t=1,p=1";

/// Nobody, and everybody else.
const ADDRESSES: [&str; 6] = [
    "nobody@example.com",
    "ada@example.com",
    "pbkdf2@example.com",
    "longer@example.com",
    "links@example.com",
    "gone@example.com",
];

/// A program with people whose passwords are kept in several ways, and who are there for a while.
async fn start(database: Database) -> TestApp {
    let app = TestApp::local_with(database, Registration::Open, Some(1)).await;
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    app.add_user("links@example.com", None).await;
    for (email, hash) in [("pbkdf2@example.com", PBKDF2), ("longer@example.com", LONGER), ("gone@example.com", PBKDF2)]
    {
        let user = app.add_user(email, None).await;
        app.administration().await.set_password(&user, PasswordHash::new(hash.to_owned())).await.unwrap();
        if email.starts_with("gone") {
            app.administration().await.disable(&user).await.unwrap();
        }
    }
    app.restart().await
}

/// What answers cost: hashes of each kind, and statements, the least of several, since the program asks for something beside
/// them now and then.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    hashes: BTreeMap<String, u64>,
    statements: u64,
}

async fn cost(app: &TestApp, path: &str, (body, status): (&Value, u16)) -> Cost {
    let passwords = app.app.auth().local.clone().unwrap().passwords;
    let mut costs = Vec::new();
    for _ in 0..8 {
        let (done, run) = (passwords.work_done(), app.app.statements_run());
        let (answered, answer) = Person::stranger(app).post(path, body).await;
        assert_eq!(answered, status, "{path} {body}: {answer}");
        let mut hashes = passwords.work_done();
        for (way, times) in &mut hashes {
            *times -= done.get(way).copied().unwrap_or_default();
        }
        hashes.retain(|_, times| *times > 0);
        costs.push(Cost { hashes, statements: app.app.statements_run() - run });
        // All that was tried is forgotten.
        app.clock.advance(Duration::from_hours(3));
    }
    assert!(costs.iter().all(|cost| cost.hashes == costs[0].hashes), "{path} {body}: {costs:?}");
    costs.into_iter().min_by_key(|cost| cost.statements).unwrap()
}

/// What each of these addresses costs, and that it is one.
async fn same(app: &TestApp, path: &str, (ask, status): (impl Fn(&str) -> Value, u16)) -> Cost {
    let mut costs = BTreeSet::new();
    for email in ADDRESSES {
        costs.insert(cost(app, path, (&ask(email), status)).await);
    }
    assert_eq!(costs.len(), 1, "{path}: {costs:?}");
    costs.pop_first().unwrap()
}

async fn a_wrong_password_costs_the_same_whoever_is_meant(database: Database) {
    let app = start(database).await;
    let wrong = |email: &str| json!({"email": email, "password": "something else"});
    let cost = same(&app, "/auth/login", (wrong, 401)).await;
    assert_eq!(
        cost.hashes.keys().collect::<Vec<_>>(),
        [TODAY, "pbkdf2-sha256$i=1000,l=32", "pbkdf2-sha256$i=1000,l=64"]
    );
    // Once all of them have signed in there is nothing else to pay for.
    for email in ["pbkdf2@example.com", "longer@example.com"] {
        assert_eq!(Person::stranger(&app).sign_in_with(email, "password").await.status(), 303);
    }
    let app = app.restart().await;
    let cost = same(&app, "/auth/login", (wrong, 401)).await;
    assert_eq!(cost.hashes, BTreeMap::from([(TODAY.to_owned(), 1)]));
}

async fn asking_for_a_mail_costs_the_same_whoever_is_meant(database: Database) {
    let app = start(database).await;
    for path in ["/auth/magic-link", "/auth/password-reset", "/auth/register"] {
        let cost = same(&app, path, (|email: &str| json!({"email": email}), 200)).await;
        assert!(cost.hashes.is_empty() && cost.statements > 0, "{path}: {cost:?}");
    }
}
