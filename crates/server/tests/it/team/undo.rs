//! Taking back what one did to a member a moment ago, on the team's page.

use std::time::Duration;

use retinue_testkit::{IdentityProvider, Person, TestApp, location, with_people_on_both_engines};

use super::{People, join, people, team};
use crate::invitation::role;

with_people_on_both_engines! {
    whoever_was_removed_is_taken_back_in,
    a_role_is_given_back,
    nobody_takes_back_what_they_did_not_do,
}

/// The sentence above the form that takes back, and what it sends; nothing if there is none.
async fn offered(person: &Person, team: &str) -> Option<(String, String, String)> {
    let page = person.open(&format!("/teams/{team}")).await.text().await.unwrap();
    let (_, form) = page.split_once("<form class=\"callout undo\" action=\"")?;
    let after = |mark: &str| form.split_once(mark).unwrap().1.split_once(['"', '<']).unwrap().0.to_owned();
    let (action, _) = form.split_once('"').unwrap();
    Some((after("<p dir=\"auto\">"), action.to_owned(), after("name=\"role\" value=\"")))
}

/// Does what the form says.
async fn take_back(person: &Person, team: &str, of: &Person) {
    let (_, action, role) = offered(person, team).await.unwrap();
    let answer = person.submit(&action, &[("user", &of.id().await), ("role", &role)]).await;
    assert_eq!(location(&answer), format!("/teams/{team}"));
}

async fn whoever_was_removed_is_taken_back_in(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    assert_eq!(offered(&admin, &ops).await, None, "there is nothing to take back");
    let (key, _) = crate::api_key::key(&ada, &ops, &["threads:read"]).await;
    let remove = format!("/teams/{ops}/members/{}/remove", ada.id().await);
    admin.submit(&remove, &[]).await;
    assert_eq!(role(&ada, &ops).await, None);
    let by_key =
        async || app.request(reqwest::Method::GET, "/api/threads").bearer_auth(&key).send().await.unwrap().status();
    assert_eq!(by_key().await, 401);
    let (sentence, ..) = offered(&admin, &ops).await.unwrap();
    assert!(sentence.starts_with("ada, who was editor, was removed by you"), "{sentence}");
    take_back(&admin, &ops, &ada).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));
    assert_eq!(by_key().await, 401, "but a key does not come back");
    assert_eq!(offered(&admin, &ops).await, None);
    // Not for ever.
    admin.submit(&remove, &[]).await;
    app.clock.advance(Duration::from_mins(11));
    assert_eq!(offered(&admin, &ops).await, None);
}

async fn a_role_is_given_back(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "viewer").await;
    let change = format!("/teams/{ops}/members/{}/role", ada.id().await);
    admin.submit(&change, &[("role", "admin")]).await;
    let (sentence, _, before) = offered(&admin, &ops).await.unwrap();
    assert!(sentence.starts_with("ada, who was viewer, was made admin by you"), "{sentence}");
    assert_eq!(before, "viewer");
    take_back(&admin, &ops, &ada).await;
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("viewer"));
    let (_, _, before) = offered(&admin, &ops).await.unwrap();
    assert_eq!(before, "admin", "and that can be taken back too");
}

async fn nobody_takes_back_what_they_did_not_do(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &ops, &grace, "editor").await;
    admin.submit(&format!("/teams/{ops}/members/{}/role", grace.id().await), &[("role", "viewer")]).await;
    assert!(offered(&admin, &ops).await.is_some());
    for other in [&ada, &grace] {
        assert_eq!(offered(other, &ops).await, None);
    }
    // What is not so any more is not offered: somebody else changed it since.
    ada.submit(&format!("/teams/{ops}/members/{}/role", grace.id().await), &[("role", "editor")]).await;
    assert_eq!(offered(&admin, &ops).await, None);
    assert!(offered(&ada, &ops).await.is_some());
}
