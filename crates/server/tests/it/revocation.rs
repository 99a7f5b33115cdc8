//! What processes tell each other of sessions that ended, and of people who changed.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, until, with_people_on_both_engines};

with_people_on_both_engines! {
    nothing_is_told_of_what_changes_nothing,
    of_a_person_only_the_newest_is_told,
    the_oldest_of_too_many_sessions_ends,
}

async fn told(app: &TestApp) -> Vec<String> {
    app.database.ask("SELECT COUNT(*) FROM revocations").await
}

async fn nothing_is_told_of_what_changes_nothing(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(ada.submit("/account/name", &[("name", "Ada")]).await.status(), 303);
    app.database.ask("DELETE FROM revocations").await;
    for _ in 0..3 {
        assert_eq!(ada.submit("/account/name", &[("name", "Ada")]).await.status(), 303);
        assert_eq!(ada.submit("/account/sessions/end-others", &[]).await.status(), 303);
    }
    assert_eq!(told(&app).await, ["0"]);
    let phone = Person::signed_in(&app, &provider, "ada").await;
    app.database.ask("DELETE FROM revocations").await;
    assert_eq!(ada.submit("/account/sessions/end-others", &[]).await.status(), 303);
    assert_eq!(phone.status(Method::GET, "/api/threads").await, 401);
    assert_eq!(told(&app).await, ["1"]);
}

async fn of_a_person_only_the_newest_is_told(app: TestApp, provider: IdentityProvider) {
    let [ada, grace] =
        [Person::signed_in(&app, &provider, "ada").await, Person::signed_in(&app, &provider, "grace").await];
    app.database.ask("DELETE FROM revocations").await;
    for name in ["One", "Two", "Three"] {
        assert_eq!(ada.submit("/account/name", &[("name", name)]).await.status(), 303);
    }
    assert_eq!(told(&app).await, ["1"]);
    assert_eq!(grace.submit("/account/name", &[("name", "Grace Hopper")]).await.status(), 303);
    assert_eq!(told(&app).await, ["2"], "what is told of others stays");
    assert_eq!(ada.get("/auth/me").await["user"]["name"], "Three");
}

async fn the_oldest_of_too_many_sessions_ends(app: TestApp, provider: IdentityProvider) {
    let first = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    app.clock.advance(Duration::from_mins(1));
    let mut newest = None;
    for _ in 0..100 {
        assert_eq!(first.status(Method::GET, "/auth/me").await, 200);
        newest = Some(Person::signed_in(&app, &provider, "ada").await);
    }
    let is_out = async || (first.status(Method::GET, "/auth/me").await == 401).then_some(());
    until("the oldest ends", Duration::from_secs(2), is_out).await;
    assert_eq!(newest.unwrap().get("/api/sessions?limit=200").await["data"].as_array().unwrap().len(), 100);
    assert_eq!(grace.status(Method::GET, "/auth/me").await, 200);
}
