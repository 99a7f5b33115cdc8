//! What is used: counted once, for whoever it was, whatever becomes of the run and of its conversation.

mod page;

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, UnderWay, on_both_engines, with_people_on_both_engines};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

on_both_engines! {
    what_is_used_is_counted_by_user_team_agent_and_model,
    what_a_model_does_not_count_is_estimated,
    a_question_that_was_not_taken_costs_nothing,
    what_the_model_counted_of_a_failed_answer_counts,
    a_crash_is_counted_once,
    a_run_counts_in_the_month_in_which_it_ends,
    what_was_used_stays_when_conversations_go,
}

/// The newest month of whoever asks, without its name.
pub(crate) async fn newest(app: &TestApp) -> (i64, i64, i64, i64) {
    let month = app.get("/api/usage").await["data"][0].clone();
    let number = |name: &str| month[name].as_i64().unwrap_or_default();
    (number("runs"), number("estimated_runs"), number("input_tokens"), number("output_tokens"))
}

async fn what_is_used_is_counted_by_user_team_agent_and_model(app: TestApp) {
    let nothing = json!({ "budgets": [], "month": "2026-11", "parts": [], "data": [], "next_cursor": null });
    assert_eq!(app.get("/api/usage").await, nothing);
    let (thread, _) = app.conversation("One", "Eins").await;
    let run = app.say(&thread, "Two").await;
    let answer = app.model.next().await.begin();
    answer.say("Zwei").await;
    answer.finish_counting(20, 5).await;
    app.ended(&run).await;
    let amount = json!({ "runs": 2, "estimated_runs": 0, "input_tokens": 27, "output_tokens": 8 });
    let mut month = amount.clone();
    month["month"] = json!("2026-11");
    assert_eq!(app.get("/api/usage").await["data"], json!([month]));
    let me = app.get("/auth/me").await;
    let (user, team) = (me["user"]["id"].clone(), me["teams"][0]["id"].clone());
    let agent = app.get("/api/agents").await["data"][0].clone();
    let mut part = amount.clone();
    (part["agent_id"], part["agent_name"]) = (agent["id"].clone(), agent["name"].clone());
    part["model"] = json!("test-model");
    for query in ["", "?month=2026-11", "?month=2026-11&limit=1"] {
        assert_eq!(app.get(&format!("/api/usage{query}")).await["parts"], json!([part]), "{query}");
    }
    let earlier = app.get("/api/usage?month=2026-10").await;
    assert_eq!(
        (&earlier["month"], &earlier["parts"], &earlier["data"]),
        (&json!("2026-10"), &json!([]), &json!([month]))
    );
    app.send(Method::GET, "/api/usage?month=x", &json!({}), 400).await;
    for (by, id, name) in [
        ("user", &user, &me["user"]["name"]),
        ("team", &team, &json!("Default")),
        ("agent", &agent["id"], &agent["name"]),
        ("model", &json!("test-model"), &json!("test-model")),
    ] {
        let mut total = amount.clone();
        (total["by"], total["id"], total["name"]) = (json!(by), id.clone(), name.clone());
        let path = format!("/api/usage/organization?by={by}");
        assert_eq!(app.get(&path).await["data"], json!([total]), "{by}");
        assert_eq!(app.get(&format!("{path}&month=2026-10")).await["data"], json!([]));
    }
    let entries = app.get(&format!("/api/teams/{}/usage?month=2026-11", team.as_str().unwrap())).await;
    let entry = &entries["data"][0];
    assert_eq!((&entry["user_id"], &entry["agent_id"]), (&user, &agent["id"]));
    assert_eq!(
        (&entry["model"], &entry["runs"], &entry["input_tokens"]),
        (&json!("test-model"), &json!(2), &json!(27))
    );
    for bad in ["by=nonsense", "month=2026-13", "month=x", "cursor=x", "limit=0", "who=me"] {
        let path = format!("/api/usage/organization?{bad}");
        app.send(Method::GET, &path, &json!({}), 400).await;
    }
}

async fn what_a_model_does_not_count_is_estimated(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "How long is a piece of string?").await;
    let answer = app.model.next().await.begin();
    answer.say("Twice the distance from the middle to an end.").await;
    answer.finish_without_counting().await;
    assert_eq!(app.ended(&run).await["usage"], Value::Null, "the run says what the model said");
    let (runs, estimated, input, output) = newest(&app).await;
    assert_eq!((runs, estimated), (1, 1));
    assert!((20..200).contains(&input) && (9..25).contains(&output), "{input} and {output}");
    // One that is stopped is paid for too, as far as it came.
    let UnderWay { run, answer: _answer, .. } = app.under_way("And this one?", "It is").await;
    app.send(Method::POST, &format!("/api/runs/{run}/cancel"), &json!({}), 200).await;
    let stopped = newest(&app).await;
    assert_eq!((stopped.0, stopped.1), (2, 2));
    assert!(stopped.2 > input && stopped.3 > output, "{stopped:?}");
}

async fn a_question_that_was_not_taken_costs_nothing(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Hello").await;
    app.model.next().await.refuse(401, &json!({ "error": { "message": "No." } }));
    assert_eq!(app.ended(&run).await["error"]["code"], "model_unauthorized");
    assert_eq!(newest(&app).await, (1, 1, 0, 0));
}

async fn what_the_model_counted_of_a_failed_answer_counts(app: TestApp) {
    let thread = app.thread().await;
    let run = app.say(&thread, "Think hard").await;
    let answer = app.model.next().await.begin();
    answer.run_out_counting(9, 4_000).await;
    let run = app.ended(&run).await;
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("output_too_long")));
    assert_eq!(run["usage"], json!({ "input_tokens": 9, "output_tokens": 4_000 }));
    assert_eq!(newest(&app).await, (1, 0, 9, 4_000));
}

async fn a_crash_is_counted_once(app: TestApp) {
    let UnderWay { run, answer, mut events, .. } = app.under_way("Hello", "So far").await;
    // The next piece is committed after the one before.
    answer.say(" and further").await;
    events.until("message.delta").await;
    drop(events);
    assert_eq!(newest(&app).await.0, 0, "it is under way");
    let app = app.restart().await;
    assert_eq!(app.get(&format!("/api/runs/{run}")).await["status"], "interrupted");
    let counted = newest(&app).await;
    assert_eq!((counted.0, counted.1), (1, 1));
    assert!(counted.2 > 10 && counted.3 > 1, "{counted:?}");
    let app = app.restart().await;
    assert_eq!(newest(&app).await, counted);
}

async fn a_run_counts_in_the_month_in_which_it_ends(app: TestApp) {
    app.conversation("In November", "Yes").await;
    let UnderWay { run, answer, .. } = app.under_way("Over the border", "Still").await;
    app.clock.advance(Duration::from_hours(24 * 10));
    answer.finish().await;
    app.ended(&run).await;
    let months = app.get("/api/usage?limit=1").await;
    assert_eq!((&months["data"][0]["month"], &months["data"][0]["runs"]), (&json!("2026-12"), &json!(1)));
    let cursor = months["next_cursor"].as_str().unwrap();
    let earlier = app.get(&format!("/api/usage?limit=1&cursor={cursor}")).await;
    assert_eq!((&earlier["data"][0]["month"], &earlier["next_cursor"]), (&json!("2026-11"), &Value::Null));
    assert_eq!(app.get("/api/usage/organization").await["data"][0]["runs"], 1, "this month");
    assert_eq!(app.get("/api/usage/organization?month=2026-11").await["data"][0]["runs"], 1);
}

async fn what_was_used_stays_when_conversations_go(app: TestApp) {
    let (thread, _) = app.conversation("Delete me", "Gladly").await;
    app.send(Method::DELETE, &format!("/api/threads/{thread}"), &json!({}), 204).await;
    assert_eq!(newest(&app).await, (1, 0, 7, 3));
    let UnderWay { thread, answer: _answer, .. } = app.under_way("Delete me while you speak", "I am not").await;
    app.send(Method::DELETE, &format!("/api/threads/{thread}"), &json!({}), 204).await;
    let counted = newest(&app).await;
    assert_eq!((counted.0, counted.1), (2, 1));
    assert!(counted.2 > 7 && counted.3 > 3, "{counted:?}");
}

mod seen {
    use super::*;

    with_people_on_both_engines! {
        nobody_sees_what_another_uses,
        lists_go_on_where_they_ended,
        what_a_private_agent_is_called_is_its_makers_business,
        what_an_agent_of_another_team_is_called_is_not_told,
    }

    async fn use_some(app: &TestApp, person: &Person, thread: &Value) {
        let run = person.say(thread["id"].as_str().unwrap(), "Hello").await;
        app.model.next().await.answer("Hi").await;
        person.follow(&run).await.rest().await;
    }

    async fn in_team(person: &Person, team: &str) -> Value {
        person.send_json(Method::POST, "/api/threads", &json!({ "team_id": team }), 201).await
    }

    async fn nobody_sees_what_another_uses(app: TestApp, provider: IdentityProvider) {
        let People { admin, ada, grace } = people(&app, &provider).await;
        let ops = team(&admin, "Ops").await;
        join(&admin, &ops, &ada, "viewer").await;
        join(&admin, &ops, &grace, "admin").await;
        use_some(&app, &ada, &in_team(&ada, &ops).await).await;
        assert_eq!(ada.get("/api/usage").await["data"][0]["runs"], 1);
        assert_eq!(grace.get("/api/usage").await["data"], json!([]), "it is not hers");
        // Who runs the team sees who used how much; who runs the installation sees it of all; others see neither.
        let path = format!("/api/teams/{ops}/usage");
        assert_eq!(grace.get(&path).await["data"][0]["user_id"], json!(ada.id().await));
        assert_eq!(admin.get(&path).await["data"][0]["user_name"], "ada");
        assert_eq!(ada.status(Method::GET, &path).await, 403);
        let lina = Person::signed_in(&app, &provider, "lina").await;
        assert_eq!(lina.status(Method::GET, &path).await, 404);
        for path in ["/api/usage/organization", "/api/usage/organization?by=model"] {
            assert_eq!(admin.get(path).await["data"][0]["runs"], 1);
            for person in [&ada, &grace, &lina] {
                assert_eq!(person.status(Method::GET, path).await, 403);
            }
        }
        let default = ada.get("/api/teams").await["data"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(admin.get(&format!("/api/teams/{default}/usage")).await["data"], json!([]), "another team's");
    }

    async fn lists_go_on_where_they_ended(app: TestApp, provider: IdentityProvider) {
        let People { admin, ada, grace } = people(&app, &provider).await;
        let ops = team(&admin, "Ops").await;
        for person in [&ada, &grace] {
            join(&admin, &ops, person, "viewer").await;
            use_some(&app, person, &in_team(person, &ops).await).await;
        }
        for path in [format!("/api/teams/{ops}/usage?limit=1"), "/api/usage/organization?limit=1&by=user".to_owned()] {
            let first = admin.get(&path).await;
            let cursor = first["next_cursor"].as_str().unwrap();
            let second = admin.get(&format!("{path}&cursor={cursor}")).await;
            assert_eq!(second["next_cursor"], Value::Null);
            let id = |page: &Value| page["data"][0].get("user_id").or(page["data"][0].get("id")).unwrap().clone();
            assert_ne!(id(&first), id(&second));
            let other = admin.status(Method::GET, &format!("{path}&month=2026-10&cursor={cursor}")).await;
            assert_eq!(other, 400, "it is a place in that month only");
        }
    }

    async fn what_a_private_agent_is_called_is_its_makers_business(app: TestApp, provider: IdentityProvider) {
        let People { admin, ada, .. } = people(&app, &provider).await;
        let ops = team(&admin, "Ops").await;
        join(&admin, &ops, &ada, "editor").await;
        let new = json!({ "team_id": ops, "name": "Job hunting", "sharing": "private" });
        let agent = ada.send_json(Method::POST, "/api/agents", &new, 201).await["id"].clone();
        let thread = ada.send_json(Method::POST, "/api/threads", &json!({ "agent_id": agent }), 201).await;
        use_some(&app, &ada, &thread).await;
        for path in [format!("/api/teams/{ops}/usage"), "/api/usage/organization?by=agent".to_owned()] {
            let seen = admin.get(&path).await;
            assert_eq!(seen["data"][0]["runs"], 1);
            assert!(seen.to_string().contains(agent.as_str().unwrap()) && !seen.to_string().contains("Job"), "{seen}");
        }
    }

    async fn what_an_agent_of_another_team_is_called_is_not_told(app: TestApp, provider: IdentityProvider) {
        let People { admin, ada, grace } = people(&app, &provider).await;
        let (ops, other) = (team(&admin, "Ops").await, team(&admin, "Other").await);
        for team in [&ops, &other] {
            join(&admin, team, &ada, "viewer").await;
        }
        join(&admin, &ops, &grace, "admin").await;
        for (team, name, sharing) in
            [(&ops, "Of ops", "team"), (&other, "Merger", "team"), (&other, "Of all", "organization")]
        {
            let new = json!({ "team_id": team, "name": name, "sharing": sharing });
            let agent = admin.send_json(Method::POST, "/api/agents", &new, 201).await["id"].clone();
            let new = json!({ "team_id": ops, "agent_id": agent });
            let thread = ada.send_json(Method::POST, "/api/threads", &new, 201).await;
            use_some(&app, &ada, &thread).await;
        }
        let seen = grace.get(&format!("/api/teams/{ops}/usage")).await;
        let mut names: Vec<_> =
            seen["data"].as_array().unwrap().iter().map(|entry| entry["agent_name"].as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, [None, Some("Of all"), Some("Of ops")], "{seen}");
        let page = grace.open(&format!("/usage?of={ops}")).await.text().await.unwrap();
        assert!(page.contains("Of ops") && page.contains("Of all") && !page.contains("Merger"), "{page}");
        assert!(ada.open("/usage").await.text().await.unwrap().contains("Merger"), "who used it knows it");
    }
}
