//! `/usage`, and the forms that set budgets.

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, location, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    each_sees_what_is_theirs_to_see,
    a_budget_is_set_by_a_form,
    whoever_writes_is_told_what_is_left,
}

async fn page(person: &Person, path: &str) -> String {
    let response = person.open(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

/// Says something to an agent of a team, which answers; with so many tokens in and out.
async fn converse(app: &TestApp, person: &Person, agent: &str, (input, output): (u64, u64)) -> String {
    let thread = person.send_json(Method::POST, "/api/threads", &json!({ "agent_id": agent }), 201).await;
    let thread = thread["id"].as_str().unwrap().to_owned();
    let run = person.say(&thread, "Hello").await;
    let answer = app.model.next().await.begin();
    answer.say("Hi").await;
    answer.finish_counting(input, output).await;
    person.follow(&run).await.rest().await;
    thread
}

async fn agent(maker: &Person, team: &str, name: &str) -> String {
    let new = json!({ "team_id": team, "name": name, "sharing": "team" });
    maker.send_json(Method::POST, "/api/agents", &new, 201).await["id"].as_str().unwrap().to_owned()
}

async fn each_sees_what_is_theirs_to_see(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    join(&admin, &ops, &grace, "viewer").await;
    let agent = agent(&ada, &ops, "Counter <b>").await;
    converse(&app, &grace, &agent, (1_234, 56)).await;
    let own = page(&grace, "/usage").await;
    assert!(own.contains("Counter &#60;b&#62;") && own.contains("1,234") && own.contains("November 2026"), "{own}");
    assert!(!own.contains("Everybody</option>") && !own.contains(&format!("value=\"{ops}\"")), "{own}");
    assert!(page(&ada, "/usage").await.contains("Nothing was used in this month"));
    assert!(page(&grace, "/usage?month=2026-10").await.contains("Nothing was used in this month"));

    let of_team = page(&ada, &format!("/usage?of={ops}")).await;
    assert!(of_team.contains("<td dir=\"auto\">grace</td>") && of_team.contains("1,234"), "{of_team}");
    for (by, words) in [("user", "grace"), ("team", "Ops"), ("agent", "Counter"), ("model", "test-model")] {
        let all = page(&admin, &format!("/usage?of=all&by={by}")).await;
        assert!(all.contains(words) && all.contains("1,234"), "{by}: {all}");
    }
    for (who, path, status) in [
        (&grace, format!("/usage?of={ops}"), 403),
        (&ada, "/usage?of=all".to_owned(), 403),
        (&ada, "/usage?of=team_01h455vb4pex5vsknk084sn02q".to_owned(), 404),
        (&ada, "/usage?of=nonsense".to_owned(), 400),
        (&ada, "/usage?month=2026-13".to_owned(), 400),
        (&admin, "/usage?of=all&by=moon".to_owned(), 400),
        (&admin, "/usage?of=all&cursor=x".to_owned(), 400),
    ] {
        assert_eq!(who.open(&path).await.status(), status, "{path}");
    }
}

async fn a_budget_is_set_by_a_form(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "admin").await;
    let (of_team, of_user) = (format!("/teams/{ops}/budget"), format!("/admin/users/{}/budget", grace.id().await));
    for path in [&of_team, &of_user] {
        assert!(page(&admin, path).await.contains("No budget bounds"), "{path}");
        let set = admin.submit(path, &[("kind", "tokens"), ("tokens", " 1,500 000 ")]).await;
        assert_eq!(location(&set), *path);
        let shown = page(&admin, path).await;
        assert!(
            shown.contains("1,500,000 of 1,500,000 tokens are left") && shown.contains("value=\"1500000\""),
            "{shown}"
        );
        for (kind, tokens) in
            [("tokens", "-1"), ("tokens", ""), ("tokens", "1e9"), ("tokens", "9999999999999999999"), ("gold", "1")]
        {
            let refused = admin.submit(path, &[("kind", kind), ("tokens", tokens)]).await;
            assert_eq!(refused.status(), 400, "{kind} {tokens}");
            let refused = refused.text().await.unwrap();
            assert!(
                refused.contains("role=\"alert\"") && refused.contains(&format!("value=\"{tokens}\"")),
                "{refused}"
            );
        }
        admin.submit(path, &[("kind", "unlimited"), ("tokens", "")]).await;
        assert!(page(&admin, path).await.contains("value=\"unlimited\" checked"));
        admin.submit(path, &[("kind", "default"), ("tokens", "")]).await;
        assert!(page(&admin, path).await.contains("value=\"default\" checked"));
    }
    // A team's admin sees it, and those who run the server set it.
    assert!(!page(&ada, &of_team).await.contains("Set budget"));
    let form = [("kind", "unlimited"), ("tokens", "")];
    for (who, path, status) in
        [(&ada, &of_team, 403), (&ada, &of_user, 403), (&grace, &of_team, 404), (&grace, &of_user, 403)]
    {
        assert_eq!(who.submit(path, &form).await.status(), status, "{path}");
    }
    assert_eq!(grace.open(&of_user).await.status(), 403);
    assert_eq!(grace.open(&of_team).await.status(), 404);
    let nobody = "/admin/users/usr_01h455vb4pex5vsknk084sn02q/budget";
    assert_eq!(admin.submit(nobody, &form).await.status(), 404);
    let told: Value = admin.get("/api/audit?action=budget.changed").await;
    assert_eq!(told["data"].as_array().unwrap().len(), 6);
}

async fn whoever_writes_is_told_what_is_left(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &grace, "viewer").await;
    let agent = agent(&admin, &ops, "Counter").await;
    let set = async |path: &str, tokens: i64| {
        admin.send_json(Method::PUT, path, &json!({ "tokens_per_month": tokens }), 200).await;
    };
    set(&format!("/api/users/{}/budget", grace.id().await), 1_000).await;
    let thread = converse(&app, &grace, &agent, (800, 100)).await;
    let place = format!("/threads/{thread}");
    assert!(!page(&grace, &place).await.contains("class=\"hint warning\""), "a tenth is left");
    let run = grace.say(&thread, "More").await;
    let answer = app.model.next().await.begin();
    answer.say("Yes").await;
    answer.finish_counting(40, 10).await;
    grace.follow(&run).await.rest().await;
    for path in [place.as_str(), "/"] {
        let shown = page(&grace, path).await;
        assert!(shown.contains("50 tokens are left of your budget") && shown.contains("1 December 2026"), "{shown}");
    }
    assert!(!page(&ada, "/").await.contains("class=\"hint warning\""));
    assert!(page(&grace, "/usage").await.contains("50 of 1,000 tokens are left, 950 are used"));
    set(&format!("/api/users/{}/budget", grace.id().await), 900).await;
    assert!(page(&grace, &place).await.contains("Your budget of 900 tokens for 2026-11 is spent"));
    // Of a team's budget only that it is so: whoever uses its agent need not belong to it.
    set(&format!("/api/users/{}/budget", grace.id().await), 1_000_000).await;
    set(&format!("/api/teams/{ops}/budget"), 1_000).await;
    let shown = page(&grace, &place).await;
    assert!(
        shown.contains("Less than a tenth is left of the budget of the team") && !shown.contains("50 tokens"),
        "{shown}"
    );
}
