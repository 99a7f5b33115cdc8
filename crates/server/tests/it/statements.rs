//! What an answer costs the database.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};

with_people_on_both_engines! {
    a_cookie_that_can_not_count_costs_nothing,
    whoever_was_here_a_moment_ago_is_known_without_asking,
    a_key_costs_nothing_that_is_not_whole_or_was_shown_a_moment_ago,
}

const NAME: &str = "retinue-session";

/// How many statements a request takes that is answered with this status: the least of several, since the program asks for
/// something beside them now and then.
async fn cost(app: &TestApp, person: &Person, (path, status): (&str, u16)) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..10 {
        let before = app.app.statements_run();
        assert_eq!(person.status(Method::GET, path).await, status, "{path}");
        least = least.min(app.app.statements_run() - before);
    }
    least
}

fn holding(app: &TestApp, cookie: &str) -> Person {
    let person = Person::stranger(app);
    person.cookies(|cookies| drop(cookies.insert(NAME.to_owned(), cookie.to_owned())));
    person
}

async fn a_cookie_that_can_not_count_costs_nothing(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let cookie = ada.session_cookie();
    app.app.set_keys(app.foreign_keys());
    let elsewhere = Person::signed_in(&app, &provider, "ada").await.session_cookie();
    app.app.set_keys(app.keys());
    let (signed, signature) = cookie.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let other = if claims.starts_with('A') { "B" } else { "A" };
    for bad in [
        elsewhere.as_str(),
        &cookie[..cookie.len() - 3],
        signed,
        &format!("{header}.{other}{}.{signature}", &claims[1..]),
        &format!("{header}.{claims}.{}", signature.chars().rev().collect::<String>()),
        "a.b.c",
        "x",
    ] {
        let forger = holding(&app, bad);
        for path in ["/auth/me", "/api/threads", "/account"] {
            assert_eq!(cost(&app, &forger, (path, 401)).await, 0, "{path} {bad}");
        }
    }
    assert!(cost(&app, &ada, ("/api/threads", 200)).await > 0, "what is asked for is counted");
    // The cookie says itself when it is over.
    app.clock.advance(Duration::from_hours(721));
    assert_eq!(cost(&app, &ada, ("/auth/me", 401)).await, 0, "too old");
}

async fn whoever_was_here_a_moment_ago_is_known_without_asking(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(cost(&app, &ada, ("/auth/me", 200)).await, 0);
    assert_eq!(cost(&app, &Person::stranger(&app), ("/auth/me", 401)).await, 0);
}

async fn a_key_costs_nothing_that_is_not_whole_or_was_shown_a_moment_ago(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let team = ada.get("/api/teams").await["data"][0]["id"].as_str().unwrap().to_owned();
    let (key, _) = crate::api_key::key(&ada, &team, &["threads:read"]).await;
    let cost = async |key: &str, status: u16| {
        let mut least = u64::MAX;
        for _ in 0..10 {
            let before = app.app.statements_run();
            let answer = app.request(Method::GET, "/auth/me").bearer_auth(key).send().await.unwrap();
            assert_eq!(answer.status(), status, "{key}");
            least = least.min(app.app.statements_run() - before);
        }
        least
    };
    assert_eq!(cost(&key, 200).await, 0, "it is known");
    // The trail tells of ten in a minute, and of no key is anything looked up.
    assert!(cost("rtn_", 401).await <= 1);
    for bad in [&key[..key.len() - 1], &format!("{}A", &key[..key.len() - 1]), "rtn_"] {
        assert_eq!(cost(bad, 401).await, 0, "{bad}");
    }
    let unknown = retinue_model::api_key::KeyText::of_bits([7; 32]);
    assert!(cost(unknown.expose(), 401).await > 0, "one that may be there is looked for");
}
