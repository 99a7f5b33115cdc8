//! A team's page, as a browser without scripts shows it to those who run the team and to those who do not.

use reqwest::Method;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, location, with_people_on_both_engines};
use serde_json::json;

use super::{People, join, people, team};
use crate::api_key::key;

with_people_on_both_engines! {
    whoever_runs_a_team_sees_its_keys_and_revokes_them,
    more_keys_than_one_page_shows_are_on_the_next,
    its_short_name_is_given_and_changed_by_whoever_runs_the_installation,
}

async fn page(person: &Person, path: &str) -> String {
    let response = person.open(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

async fn whoever_runs_a_team_sees_its_keys_and_revokes_them(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let place = format!("/teams/{ops}");
    join(&admin, &ops, &ada, "viewer").await;
    join(&admin, &ops, &grace, "editor").await;
    assert!(page(&admin, &place).await.contains("No key acts in this team"));
    let (text, id) = key(&ada, &ops, &["threads:read"]).await;
    let by_key =
        async || app.request(Method::GET, "/api/threads").bearer_auth(&text).send().await.unwrap().status().as_u16();
    assert_eq!(by_key().await, 200);
    let revoke = format!("/api-keys/{id}/revoke?team={ops}");
    for other in [&ada, &grace] {
        let seen = page(other, &place).await;
        assert!(!seen.contains("id=\"keys\"") && !seen.contains(&text[..10]), "it is for those who run the team");
    }
    assert_eq!(grace.submit(&revoke, &[]).await.status(), 404);
    assert_eq!(by_key().await, 200);

    let member = format!("/api/teams/{ops}/members/{}", grace.id().await);
    admin.send_json(Method::PATCH, &member, &json!({ "role": "admin" }), 200).await;
    let seen = page(&grace, &place).await;
    assert!(seen.contains(&format!("<code>{}…</code>", &text[..10])) && seen.contains("Of <bdi>ada</bdi>"), "{seen}");
    assert!(seen.contains(&format!("action=\"{revoke}\"")) && !seen.contains(&text), "{seen}");
    assert_eq!(location(&grace.submit(&revoke, &[]).await), format!("{place}#keys"));
    assert_eq!(by_key().await, 401);
    let seen = page(&grace, &place).await;
    assert!(seen.contains(">revoked</span>") && !seen.contains(&revoke), "{seen}");
}

async fn more_keys_than_one_page_shows_are_on_the_next(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let ops = team(&admin, "Ops").await;
    for _ in 0..51 {
        key(&admin, &ops, &["threads:read"]).await;
    }
    let count = |page: &str| page.matches("Revoke this key").count();
    let first = page(&admin, &format!("/teams/{ops}")).await;
    let (_, rest) = first.split_once(&format!("/teams/{ops}?keys=")).unwrap();
    let second = page(&admin, &format!("/teams/{ops}?keys={}", rest.split_once('#').unwrap().0)).await;
    assert_eq!((count(&first), count(&second)), (50, 1));
    assert_eq!(admin.open(&format!("/teams/{ops}?keys=none")).await.status(), 400);
}

#[tokio::test]
async fn where_no_key_counts_no_page_speaks_of_them() {
    let (app, provider) = TestApp::with_provider_and_auth(Database::sqlite(), |auth| auth.takes_keys = false).await;
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let ops = team(&admin, "Ops").await;
    let seen = page(&admin, &format!("/teams/{ops}")).await;
    assert!(seen.contains("id=\"add\"") && !seen.contains("id=\"keys\""), "{seen}");
}

async fn its_short_name_is_given_and_changed_by_whoever_runs_the_installation(
    app: TestApp,
    provider: IdentityProvider,
) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let made = location(&admin.submit("/teams", &[("name", "Operations"), ("slug", "ops")]).await);
    let id = made.trim_start_matches("/teams/");
    let slug = async || admin.get(&format!("/api/teams/{id}")).await["slug"].as_str().unwrap().to_owned();
    assert_eq!(slug().await, "ops");
    let unnamed = location(&admin.submit("/teams", &[("name", "Night shift"), ("slug", " ")]).await);
    assert!(page(&admin, &unnamed).await.contains("<code>night-shift</code>"), "made of the name");
    let rename = format!("{made}/name");
    assert_eq!(location(&admin.submit(&rename, &[("name", "Operations"), ("slug", "operations")]).await), made);
    assert_eq!(slug().await, "operations");
    // What is refused stays in its field, with why beside it.
    for (path, typed, status, words) in [
        (&rename, "night-shift", 409, "short name"),
        (&rename, "Not one", 400, "A short name has"),
        (&rename, "", 400, "A short name has"),
        (&"/teams".to_owned(), "operations", 409, "short name"),
        (&"/teams".to_owned(), "Not one", 400, "A short name has"),
    ] {
        let refused = admin.submit(path, &[("name", "New"), ("slug", typed)]).await;
        assert_eq!(refused.status(), status, "{path} {typed}");
        let seen = refused.text().await.unwrap();
        let (_, beside) = seen.split_once("id=\"slug-error\" role=\"alert\">").unwrap();
        assert!(beside.split_once('<').unwrap().0.contains(words), "{seen}");
        assert!(seen.contains(&format!("name=\"slug\" value=\"{typed}\"")), "{seen}");
    }
    assert_eq!(slug().await, "operations");
    // A team's admin gives it another name, but no short one: rules go by that.
    join(&admin, id, &ada, "admin").await;
    assert!(!page(&ada, &made).await.contains("name=\"slug\""));
    assert_eq!(ada.submit(&rename, &[("name", "Theirs"), ("slug", "theirs")]).await.status(), 403);
    assert_eq!(location(&ada.submit(&rename, &[("name", "Ours")]).await), made);
    assert_eq!(slug().await, "operations");
}
