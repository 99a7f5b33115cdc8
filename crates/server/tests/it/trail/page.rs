//! `/audit`, as a browser without scripts shows it.

use reqwest::Method;
use retinue_app::Clock as _;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use super::export::fill;
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    the_page_shows_what_its_form_asks_for,
    whatever_was_done_to_one_thing_is_a_page,
    the_page_leads_to_a_file_of_what_it_shows,
    what_can_not_be_asked_for_is_said_on_the_page,
    a_page_leads_to_the_next,
    who_has_an_account_elsewhere_is_not_told_by_a_team_s_part,
}

async fn page(person: &Person, query: &str) -> String {
    let response = person.open(&format!("/audit{query}")).await;
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{query}: {text}");
    text
}

/// The actions on a page, the newest first.
fn actions(page: &str) -> Vec<&str> {
    let parts = page.split("<dt>Action</dt><dd><code>").skip(1);
    parts.map(|part| part.split_once("</code>").unwrap().0).collect()
}

/// The day that it is there.
fn today(app: &TestApp) -> String {
    app.clock.now().strftime("%Y-%m-%d").to_string()
}

/// Where a link leads that is named so.
fn link(page: &str, words: &str) -> String {
    let (before, _) = page.split_once(&format!(">{words}</a>")).unwrap_or_else(|| panic!("{words}: {page}"));
    let (_, tag) = before.rsplit_once("<a ").unwrap();
    let (_, rest) = tag.split_once("href=\"").unwrap();
    rest.split_once('"').unwrap().0.replace("&#38;", "&").replace("&amp;", "&")
}

async fn the_page_shows_what_its_form_asks_for(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, other) = (team(&admin, "<b>Ops</b>").await, team(&admin, "Other").await);
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &ops, &grace, "viewer").await;
    join(&ada, &ops, &Person::signed_in(&app, &provider, "joan").await, "viewer").await;
    fill(&app, &other, ["\u{1b}[2J<script>window.ran = 1</script>".to_owned()].into_iter()).await;

    let all = page(&admin, "").await;
    assert!(!all.contains("<script>window") && !all.contains("<b>Ops"), "what others wrote is text");
    assert!(all.contains("&#60;b&#62;Ops&#60;/b&#62;") && all.contains("name=\"who\""), "{all}");
    let added = ["membership.added"; 3];
    assert_eq!(actions(&page(&admin, "?action=membership.added").await), added);
    assert_eq!(actions(&page(&admin, &format!("?of={ops}")).await), [&added[..], &["team.created"]].concat());
    for who in [ada.id().await, "ada@example.com".to_owned()] {
        assert_eq!(actions(&page(&admin, &format!("?who={who}&action=membership.added")).await), ["membership.added"]);
        assert_eq!(actions(&page(&admin, &format!("?who={who}&of={ops}")).await), ["membership.added"]);
    }
    // A name leads to what they did.
    let of_ops = page(&admin, &format!("?of={ops}")).await;
    assert_eq!(actions(&page(&admin, link(&of_ops, "<bdi>ada</bdi>").strip_prefix("/audit").unwrap()).await).len(), 1);
    assert_eq!(actions(&page(&admin, "?outcome=refused").await), Vec::<&str>::new());
    let today = today(&app);
    assert!(actions(&page(&admin, &format!("?since={today}&until={today}")).await).len() > 5);
    assert!(page(&admin, "?of=all&since=2999-01-01").await.contains("Nothing of this kind was done"));

    let of_ada = page(&ada, &format!("?of={ops}&who={}", admin.id().await)).await;
    assert_eq!(actions(&of_ada), ["membership.added", "membership.added", "team.created"]);
    let own = page(&grace, "").await;
    assert_eq!(actions(&own), ["membership.added", "session.opened", "user.created"]);
    assert!(!own.contains("name=\"who\"") && own.contains("as viewer"), "{own}");
    for (query, status) in [("?of=all".to_owned(), 403), (format!("?of={ops}"), 403), (format!("?of={other}"), 404)] {
        assert_eq!(grace.open(&format!("/audit{query}")).await.status(), status, "{query}");
        assert_eq!(grace.open(&format!("/audit{query}&who=ada@example.com")).await.status(), status, "{query}");
    }
}

/// Where the first event leads that says it was done to this.
fn to_target<'a>(page: &'a str, id: &str) -> Option<&'a str> {
    let (before, _) = page.split_once(&format!("{id}</code></a>"))?;
    Some(before.rsplit_once("href=\"")?.1.split_once('"')?.0)
}

async fn whatever_was_done_to_one_thing_is_a_page(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let (ops, _) = (team(&admin, "Ops").await, team(&admin, "Other").await);
    join(&admin, &ops, &ada, "admin").await;
    join(&ada, &ops, &grace, "viewer").await;
    ada.send_json(Method::PATCH, &format!("/api/teams/{ops}"), &json!({ "name": "Operations" }), 200).await;
    let everything = ["team.changed", "membership.added", "membership.added", "team.created"];
    let asked = page(&admin, &format!("?target=%20{ops}")).await;
    assert_eq!(actions(&asked), everything, "whoever did it");
    assert!(asked.contains(&format!("name=\"target\" value=\"{ops}\"")), "{asked}");
    assert_eq!(to_target(&asked, &ops), None, "it is asked for");
    // What an event was done to leads there, from whatever was asked for.
    let of_ada = page(&admin, &format!("?of={ops}&who={}", ada.id().await)).await;
    let href = to_target(&of_ada, &ops).unwrap().replace("&#38;", "&");
    assert_eq!(actions(&page(&admin, href.strip_prefix("/audit").unwrap()).await), everything);
    let lines = admin.open(&link(&asked, "Download as JSON lines")).await.text().await.unwrap();
    assert_eq!(lines.lines().count(), everything.len());
    // It crosses teams, and so is for those who may see all.
    let own = page(&ada, &format!("?of={ops}")).await;
    assert!(!own.contains("name=\"target\"") && to_target(&own, &ops).is_none(), "{own}");
    for (query, status) in [("of=all", 403), ("of=mine", 400), (&*format!("of={ops}"), 400)] {
        assert_eq!(ada.open(&format!("/audit?{query}&target={ops}")).await.status(), status, "{query}");
    }
}

async fn the_page_leads_to_a_file_of_what_it_shows(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let today = today(&app);
    for (person, query) in [
        (&admin, format!("?of={ops}&who={}&action=membership.added&since={today}&until={today}", admin.id().await)),
        (&admin, "?outcome=done&action=team.created".to_owned()),
        (&ada, format!("?of={ops}&outcome=done&action=team.created")),
        (&ada, "?action=user.created".to_owned()),
    ] {
        let shown = page(person, &query).await;
        let response = person.open(&link(&shown, "Download as JSON lines")).await;
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let text = response.text().await.unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let exported: Vec<_> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
        assert_eq!(exported, actions(&shown), "{query}");
        assert_eq!(exported.len(), 1, "{query}");
    }
}

async fn what_can_not_be_asked_for_is_said_on_the_page(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    for (query, words, typed) in [
        ("?who=nobody@example.com", "Nobody here is known by this", "value=\"nobody@example.com\""),
        ("?who=%3Cb%3E%00", "Nobody here is known by this", "&#60;b&#62;"),
        (
            "?of=mine&who=admin@example.com",
            "What others did is not among what concerns you",
            "value=\"admin@example.com\"",
        ),
        ("?target=team_x&who=admin@example.com", "leave “Done by” empty", "value=\"team_x\""),
        ("?since=31.1.2027", "A day is written like 2027-01-31", "value=\"31.1.2027\""),
        ("?action=team.painted", "There is no such action", ""),
        ("?cursor=none", "This cursor is not one that this list gave", ""),
    ] {
        let response = admin.open(&format!("/audit{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        let text = response.text().await.unwrap();
        assert!(text.contains(words) && text.contains(typed) && text.contains("action=\"/audit\""), "{query}: {text}");
        assert!(!text.contains("Download"), "{query}");
    }
}

async fn a_page_leads_to_the_next(app: TestApp, provider: IdentityProvider) {
    let People { admin, .. } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    fill(&app, &ops, (0..120).map(|number| number.to_string())).await;
    let (mut path, mut lengths) = (format!("?of={ops}&outcome=done"), Vec::new());
    loop {
        let shown = page(&admin, &path).await;
        lengths.push(actions(&shown).len());
        assert_eq!(shown.contains("Back to the newest"), lengths.len() > 1);
        if !shown.contains("Load more") {
            assert_eq!(
                actions(&page(&admin, link(&shown, "Back to the newest").strip_prefix("/audit").unwrap()).await).len(),
                50
            );
            break;
        }
        link(&shown, "Load more").strip_prefix("/audit").unwrap().clone_into(&mut path);
    }
    assert_eq!(lengths, [50, 50, 21]);
    let removed = json!({ "name": "Renamed" });
    admin.send_json(Method::PATCH, &format!("/api/teams/{ops}"), &removed, 200).await;
    assert!(page(&admin, "?action=team.created").await.contains("<bdi>Renamed</bdi>"), "as it is called now");
    assert_eq!(admin.status(Method::DELETE, &format!("/api/teams/{ops}?agents=delete")).await, 204);
    assert!(page(&admin, "?action=team.created").await.contains("<bdi>Ops</bdi>"), "as it was called then");
}

/// Whoever runs a team asks for addresses, and hears the same of nobody and of somebody who has nothing to do with it.
async fn who_has_an_account_elsewhere_is_not_told_by_a_team_s_part(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let joan = Person::signed_in(&app, &provider, "joan").await;
    let lina = Person::signed_in(&app, &provider, "lina").await;
    for person in [&joan, &lina] {
        join(&admin, &ops, person, "editor").await;
    }
    let new = json!({ "team_id": ops, "name": "Helper", "sharing": "team" });
    joan.send_json(Method::POST, "/api/agents", &new, 201).await;
    let member = format!("/api/teams/{ops}/members/{}", joan.id().await);
    assert_eq!(admin.status(Method::DELETE, &member).await, 204);
    let ask = async |person: &Person, of: &str, who: &str| {
        let response = person.open(&format!("/audit?of={of}&who={who}@example.com")).await;
        (response.status().as_u16(), response.text().await.unwrap().replace(who, "somebody"))
    };
    let nobody = ask(&ada, &ops, "nobody").await;
    assert_eq!(nobody.0, 400);
    assert_eq!(ask(&ada, &ops, "grace").await, nobody, "she is not in it");
    for (who, acted) in [("joan", 1), ("lina", 0), ("admin", 5)] {
        let found = ask(&ada, &ops, who).await;
        assert_eq!((found.0, actions(&found.1).len()), (200, acted), "{who}");
    }
    assert_eq!(ask(&admin, &ops, "grace").await.0, 200, "who runs the installation sees everybody");
    for who in ["grace", "nobody"] {
        assert_eq!(ask(&ada, "mine", who).await.0, 400, "what others did is nothing of hers");
        assert_eq!(ask(&grace, &ops, who).await.0, 404);
    }
}
