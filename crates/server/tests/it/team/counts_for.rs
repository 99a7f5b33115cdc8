//! For which team a conversation counts, as a browser without scripts chooses and sees it.

use retinue_testkit::{IdentityProvider, Person, TestApp, location, with_people_on_both_engines};
use serde_json::{Value, json};

use super::{People, join, people, team};

with_people_on_both_engines! {
    whoever_belongs_to_several_teams_chooses_and_sees_which_one_pays,
}

async fn page(person: &Person, path: &str) -> String {
    let response = person.open(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

/// Begins a conversation; its page, and what is known of it.
async fn begin(person: &Person, form: &[(&str, &str)]) -> (String, Value) {
    let place = location(&person.submit("/threads", form).await);
    let thread = person.get(&format!("/api{place}")).await;
    (page(person, &place).await, thread)
}

async fn whoever_belongs_to_several_teams_chooses_and_sees_which_one_pays(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "<b>Ops</b>").await;
    let default = ada.get("/api/teams").await["data"][0]["id"].as_str().unwrap().to_owned();
    assert!(!page(&ada, "/").await.contains("name=\"team_id\""), "of one there is nothing to choose");
    assert!(!begin(&ada, &[("input", "Hello")]).await.0.contains("this conversation counts for"));

    join(&admin, &ops, &ada, "viewer").await;
    let home = page(&ada, "/").await;
    for choice in ["value=\"\" selected>For the agent’s team", &format!("value=\"{ops}\">For &#60;b&#62;Ops")] {
        assert!(home.contains(choice), "{choice}: {home}");
    }
    let (shown, thread) = begin(&ada, &[("input", "Hello"), ("team_id", &ops)]).await;
    assert_eq!(thread["team_id"], json!(ops));
    assert!(shown.contains("&#60;b&#62;Ops&#60;/b&#62;</bdi>") && !shown.contains("name=\"team_id\""), "{shown}");
    let (shown, thread) = begin(&ada, &[("input", "Hello"), ("team_id", "")]).await;
    assert_eq!(thread["team_id"], json!(default), "as where nothing is chosen");
    assert!(shown.contains("For&nbsp;<bdi class=\"thread-title\">Default"), "{shown}");
    // What has begun counts for what it was begun for.
    let say = format!("/threads/{}/runs", thread["id"].as_str().unwrap());
    assert_eq!(ada.submit(&say, &[("input", "More"), ("team_id", &ops)]).await.status(), 400);

    // A team of others is none, and what was typed and chosen is not lost.
    let other = team(&admin, "Other").await;
    join(&admin, &other, &grace, "viewer").await;
    let refused = ada.submit("/threads", &[("input", "Keep this"), ("team_id", &other)]).await;
    assert_eq!(refused.status(), 400);
    let refused = refused.text().await.unwrap();
    assert!(refused.contains("There is no such team") && refused.contains("Keep this"), "{refused}");
}
