//! An agent's page, as a browser without scripts shows what the agent was.

use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use super::{agent, change};
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    what_an_agent_was_is_on_its_page,
    a_change_to_what_is_no_more_so_leads_to_what_is,
    more_versions_than_one_page_shows_are_on_the_next,
    an_answer_says_which_version_gave_it,
}

/// The page of an agent, and what stands there of its versions.
async fn page(person: &Person, path: &str) -> String {
    let response = person.open(path.strip_prefix("/api").unwrap()).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

/// The numbers of the versions on a page, the newest first.
fn numbers(page: &str) -> Vec<i64> {
    let parts = page.split("<h3>Version ").skip(1);
    parts.map(|part| part.split_once('<').unwrap().0.parse().unwrap()).collect()
}

async fn what_an_agent_was_is_on_its_page(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    join(&admin, &ops, &grace, "viewer").await;
    let path = agent(&ada, &ops, "private").await;
    change(&ada, &path, json!({ "instructions": "Shared.", "sharing": "team", "limits": { "tokens": 120_000 } }), 200)
        .await;
    change(&admin, &path, json!({ "name": "<b>Critic</b>", "instructions": "Be harsh." }), 200).await;
    let own = page(&ada, &path).await;
    assert_eq!(numbers(&own), [3, 2, 1]);
    for told in
        ["by <bdi>admin</bdi>", "by <bdi>ada</bdi>", "&#60;b&#62;Critic", "120,000 tokens", "Be harsh.", "Review."]
    {
        assert!(own.contains(told), "{told}: {own}");
    }
    assert!(own.contains("This has no effect in this release"), "of the box for the remote API");
    let others = page(&admin, &path).await;
    assert_eq!(numbers(&others), [3, 2], "what was private stays its maker's");
    assert!(!others.contains("Review."), "{others}");
    let seen = page(&grace, &path).await;
    assert!(numbers(&seen).is_empty() && !seen.contains("id=\"versions\""), "who may not change it sees what it is");
}

async fn a_change_to_what_is_no_more_so_leads_to_what_is(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let path = agent(&admin, &ops, "team").await;
    change(&admin, &path, json!({ "instructions": "Quicker." }), 200).await;
    let late = [("version", "1"), ("name", "Typed"), ("instructions", "Slower."), ("sharing", "team")];
    let refused = admin.submit(path.strip_prefix("/api").unwrap(), &late).await;
    assert_eq!(refused.status(), 409);
    let refused = refused.text().await.unwrap();
    for told in ["href=\"#versions\"", "id=\"versions\"", "Quicker.", "Slower.", "value=\"Typed\""] {
        assert!(refused.contains(told), "{told}: {refused}");
    }
}

async fn more_versions_than_one_page_shows_are_on_the_next(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let path = agent(&admin, &ops, "team").await;
    for number in 2..=21 {
        change(&admin, &path, json!({ "description": format!("No. {number}.") }), 200).await;
    }
    let first = page(&admin, &path).await;
    assert_eq!(numbers(&first), (2..=21).rev().collect::<Vec<_>>());
    assert!(first.contains("?before=2#versions"), "{first}");
    let last = page(&admin, &format!("{path}?before=2")).await;
    assert_eq!((numbers(&last), last.contains("Load more")), (vec![1], false));
}

async fn an_answer_says_which_version_gave_it(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let path = agent(&admin, &ops, "team").await;
    change(&admin, &path, json!({ "description": "Used." }), 200).await;
    let new = json!({ "agent_id": path.rsplit('/').next().unwrap() });
    let thread: Value = admin.post("/api/threads", &new).await.1;
    let run = admin.say(thread["id"].as_str().unwrap(), "Hello").await;
    app.model.next().await.answer("Hi").await;
    admin.follow(&run).await.rest().await;
    change(&admin, &path, json!({ "description": "Changed since." }), 200).await;
    let shown = page(&admin, &format!("/api/threads/{}", thread["id"].as_str().unwrap())).await;
    assert!(shown.contains("<bdi>Reviewer</bdi>, version 2"), "{shown}");
}
