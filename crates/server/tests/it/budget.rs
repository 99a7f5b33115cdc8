//! Budgets: what is begun stays within them, however much at once, and whoever is refused is told why.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use retinue_app::budget::Defaults;
use retinue_model::budget::Budget;
use retinue_testkit::{
    Database, IdentityProvider, Options, TestApp, UnderWay, on_both_databases, on_both_engines,
    with_people_on_both_engines,
};
use serde_json::{Value, json};

use crate::team::{People, join, people, team};

mod typed;

on_both_engines! {
    a_spent_budget_refuses_until_the_month_is_over,
    a_hundred_at_once_stay_within_it,
    what_was_held_is_given_back,
    a_crash_gives_back_what_was_held,
    an_answer_that_a_budget_bounds_is_as_long_as_its_agent_says,
    the_limits_of_an_agent_end_its_answers,
}

async fn own_path(app: &TestApp) -> String {
    let me = app.get("/auth/me").await;
    format!("/api/users/{}/budget", me["user"]["id"].as_str().unwrap())
}

async fn give(app: &TestApp, tokens: i64) {
    let path = own_path(app).await;
    app.send(Method::PUT, &path, &json!({ "tokens_per_month": tokens }), 200).await;
}

/// An agent of the local user's whose answers have at most so many tokens.
async fn agent(app: &TestApp, tokens: i64) -> String {
    let team = app.get("/api/teams").await["data"][0]["id"].clone();
    let new = json!({ "team_id": team, "name": "Brief", "limits": { "tokens": tokens } });
    app.send(Method::POST, "/api/agents", &new, 201).await["id"].as_str().unwrap().to_owned()
}

async fn own(app: &TestApp) -> Value {
    app.get("/api/usage").await["budgets"][0].clone()
}

async fn a_spent_budget_refuses_until_the_month_is_over(app: TestApp) {
    give(&app, 10).await;
    let (thread, run) = app.conversation("Hello", "Hi").await;
    let budget = own(&app).await;
    assert_eq!((&budget["used"], &budget["held"], &budget["left"]), (&json!(10), &json!(0), &json!(0)));
    assert_eq!((&budget["of"], &budget["renews_at"]), (&json!("user"), &json!("2026-12-01T00:00:00Z")));
    for (path, said) in [
        (format!("/api/threads/{thread}/runs"), json!({ "input": "More" })),
        (format!("/api/runs/{run}/retry"), json!({})),
    ] {
        let refused = app.request(Method::POST, &path).json(&said).send().await.unwrap();
        assert_eq!(refused.status(), 429, "{path}");
        let after: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((9 * 86_400..10 * 86_400).contains(&after), "{after}");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "budget_spent");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("Your budget of 10 tokens for 2026-11") && detail.contains("2026-12-01"), "{detail}");
    }
    for path in [format!("/threads/{thread}/runs"), "/threads".to_owned()] {
        let form = app.request(Method::POST, &path).header("accept", "text/html").header("origin", app.url(""));
        let form = form.header("content-type", "application/x-www-form-urlencoded").body("input=What+I+said");
        let page = form.send().await.unwrap();
        assert_eq!(page.status(), 429);
        let page = page.text().await.unwrap();
        assert!(page.contains("Your budget of 10 tokens") && page.contains("What I said"), "what was said is not lost");
    }
    let messages = app.get(&format!("/api/threads/{thread}/messages")).await;
    assert_eq!(messages["data"].as_array().unwrap().len(), 2, "what was refused left nothing behind");
    assert!(app.model.is_quiet().await);
    app.clock.advance(Duration::from_hours(24 * 10));
    let run = app.say(&thread, "It is December").await;
    app.model.next().await.answer("So it is").await;
    assert_eq!(app.ended(&run).await["status"], "completed");
}

/// Each run holds back what it is sent and what it may say; together they are over the budget by less than one run.
async fn a_hundred_at_once_stay_within_it(app: TestApp) {
    let agent = agent(&app, 100).await;
    let mut threads = Vec::new();
    for _ in 0..100 {
        let thread = app.send(Method::POST, "/api/threads", &json!({ "agent_id": agent }), 201).await;
        threads.push(thread["id"].as_str().unwrap().to_owned());
    }
    give(&app, 2_000).await;
    let answers = join_all(threads.iter().map(async |thread| {
        let path = format!("/api/threads/{thread}/runs");
        let answer = app.request(Method::POST, &path).json(&json!({ "input": "Go" })).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    }))
    .await;
    let (began, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 201);
    assert!(refused.iter().all(|(status, problem)| *status == 429 && problem["code"] == "budget_held"), "{refused:?}");
    let held = own(&app).await["held"].as_i64().unwrap();
    let of_one = held / i64::try_from(began.len()).unwrap();
    assert!(of_one > 100 && (2_000..2_000 + of_one).contains(&held), "{} runs hold {held}", began.len());
    // Each takes as much as it may.
    for _ in &began {
        let answer = app.model.next().await.begin();
        answer.say("Gone").await;
        answer.finish_counting(u64::try_from(of_one - 100).unwrap(), 100).await;
    }
    for (_, run) in &began {
        app.ended(run["id"].as_str().unwrap()).await;
    }
    let budget = own(&app).await;
    assert_eq!((&budget["used"], &budget["held"], &budget["left"]), (&json!(held), &json!(0), &json!(0)));
    let path = format!("/api/threads/{}/runs", threads[0]);
    let refused = app.send(Method::POST, &path, &json!({ "input": "Go" }), 429).await;
    assert_eq!(refused["code"], "budget_spent");
}

async fn what_was_held_is_given_back(app: TestApp) {
    give(&app, 1_000).await;
    for end in ["cancelled", "deleted"] {
        let UnderWay { thread, run, answer: _answer, .. } = app.under_way("Hello", "word").await;
        assert!(own(&app).await["held"].as_i64().unwrap() > 1_000);
        let other = app.thread().await;
        let path = format!("/api/threads/{other}/runs");
        assert_eq!(app.send(Method::POST, &path, &json!({ "input": "x" }), 429).await["code"], "budget_held");
        if end == "cancelled" {
            app.send(Method::POST, &format!("/api/runs/{run}/cancel"), &json!({}), 200).await;
        } else {
            app.send(Method::DELETE, &format!("/api/threads/{thread}"), &json!({}), 204).await;
        }
        let budget = own(&app).await;
        assert_eq!(budget["held"], 0, "{end}");
        assert!((1..300).contains(&budget["used"].as_i64().unwrap()), "{end}: {budget}");
        let run = app.say(&other, "Now").await;
        app.model.next().await.answer("Yes").await;
        app.ended(&run).await;
    }
}

async fn a_crash_gives_back_what_was_held(app: TestApp) {
    give(&app, 1_000).await;
    let _under_way = app.under_way("Hello", "word").await;
    let app = app.restart().await;
    let budget = own(&app).await;
    assert_eq!(budget["held"], 0);
    assert!((1..300).contains(&budget["used"].as_i64().unwrap()), "{budget}");
    app.conversation("Again", "Here").await;
}

async fn an_answer_that_a_budget_bounds_is_as_long_as_its_agent_says(app: TestApp) {
    let agent = agent(&app, 50).await;
    let ask = async |agent: Value| {
        let thread = app.send(Method::POST, "/api/threads", &json!({ "agent_id": agent }), 201).await;
        let run = app.say(thread["id"].as_str().unwrap(), "Hello").await;
        let exchange = app.model.next().await;
        let most = exchange.request["max_tokens"].clone();
        exchange.answer("Hi").await;
        app.ended(&run).await;
        most
    };
    assert_eq!((ask(Value::Null).await, ask(json!(agent)).await), (Value::Null, json!(50)));
    give(&app, 1_000_000).await;
    assert_eq!((ask(Value::Null).await, ask(json!(agent)).await), (json!(16_384), json!(50)));
}

async fn the_limits_of_an_agent_end_its_answers(app: TestApp) {
    let team = app.get("/api/teams").await["data"][0]["id"].clone();
    let begin = async |name: &str, limits: Value| {
        let new = json!({ "team_id": team, "name": name, "limits": limits });
        let agent = app.send(Method::POST, "/api/agents", &new, 201).await["id"].clone();
        let thread = app.send(Method::POST, "/api/threads", &json!({ "agent_id": agent }), 201).await;
        let run = app.say(thread["id"].as_str().unwrap(), "Hello").await;
        (run, app.model.next().await.begin())
    };
    let (run, answer) = begin("Hasty", json!({ "seconds": 1 })).await;
    answer.say("I think").await;
    let ended = app.ended(&run).await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("run_too_long")));
    answer.closed().await;
    // A server that was told the limit, and goes on.
    let (run, answer) = begin("Brief", json!({ "tokens": 10 })).await;
    answer.say(&"on and ".repeat(200)).await;
    let ended = app.ended(&run).await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("output_too_long")));
    answer.closed().await;
}

mod shared {
    use super::*;

    with_people_on_both_engines! {
        a_team_s_budget_bounds_all_of_its_people,
        who_was_taken_out_of_a_team_spends_nothing_of_it,
        budgets_are_given_by_those_who_run_the_installation,
    }

    async fn a_team_s_budget_bounds_all_of_its_people(app: TestApp, provider: IdentityProvider) {
        let People { admin, ada, grace } = people(&app, &provider).await;
        let ops = team(&admin, "Ops").await;
        for person in [&ada, &grace] {
            join(&admin, &ops, person, "viewer").await;
        }
        let path = format!("/api/teams/{ops}/budget");
        admin.send_json(Method::PUT, &path, &json!({ "tokens_per_month": 10 }), 200).await;
        let thread = ada.send_json(Method::POST, "/api/threads", &json!({ "team_id": ops }), 201).await;
        let run = ada.say(thread["id"].as_str().unwrap(), "Hello").await;
        app.model.next().await.answer("Hi").await;
        ada.follow(&run).await.rest().await;
        // She is told what is left, and what Ada used of it is not hers to know.
        let budgets = grace.get("/api/usage").await["budgets"].clone();
        assert_eq!(
            (&budgets[0]["of"], &budgets[0]["name"], &budgets[0]["left"]),
            (&json!("team"), &json!("Ops"), &json!(0))
        );
        assert_eq!(budgets.as_array().unwrap().len(), 1, "the other team has no bound");
        let thread = grace.send_json(Method::POST, "/api/threads", &json!({ "team_id": ops }), 201).await;
        let runs = format!("/api/threads/{}/runs", thread["id"].as_str().unwrap());
        let (status, refused) = grace.post(&runs, &json!({ "input": "Hello" })).await;
        assert_eq!((status, &refused["code"]), (429, &json!("budget_spent")));
        assert!(refused["detail"].as_str().unwrap().contains("of the team"), "{refused}");
        // In another team of hers she goes on.
        let elsewhere = grace.thread().await;
        let run = grace.say(&elsewhere, "Hello").await;
        app.model.next().await.answer("Hi").await;
        assert_eq!(grace.follow(&run).await.rest().await.last().unwrap().name, "run.completed");
        admin.send_json(Method::PUT, &path, &json!({ "tokens_per_month": null }), 200).await;
        assert_eq!(grace.post(&runs, &json!({ "input": "Hello" })).await.0, 201);
    }

    async fn who_was_taken_out_of_a_team_spends_nothing_of_it(app: TestApp, provider: IdentityProvider) {
        let People { admin, ada, .. } = people(&app, &provider).await;
        let ops = team(&admin, "Ops").await;
        join(&admin, &ops, &ada, "editor").await;
        let used = async || {
            let all = admin.get("/api/usage/organization?by=team").await;
            let of_ops = all["data"].as_array().unwrap().iter().find(|one| one["id"] == json!(ops)).cloned();
            of_ops.map_or(0, |one| one["runs"].as_i64().unwrap())
        };
        let answered = async |run: &str| {
            app.model.next().await.answer("Hi").await;
            assert_eq!(ada.follow(run).await.rest().await.last().unwrap().name, "run.completed");
        };
        let thread = ada.send_json(Method::POST, "/api/threads", &json!({ "team_id": ops }), 201).await;
        let path = format!("/api/threads/{}", thread["id"].as_str().unwrap());
        let run = ada.say(thread["id"].as_str().unwrap(), "Hello").await;
        answered(&run).await;
        assert_eq!(used().await, 1);
        // The team may use nothing from now on, which is nothing to whoever left it.
        let budget = json!({ "tokens_per_month": 0 });
        admin.send_json(Method::PUT, &format!("/api/teams/{ops}/budget"), &budget, 200).await;
        assert_eq!(ada.post(&format!("{path}/runs"), &json!({ "input": "x" })).await.0, 429);
        let member = format!("/api/teams/{ops}/members/{}", ada.id().await);
        assert_eq!(admin.status(Method::DELETE, &member).await, 204);
        let (status, again) = ada.post(&format!("/api/runs/{run}/retry"), &json!({})).await;
        assert_eq!(status, 201, "{again}");
        answered(again["id"].as_str().unwrap()).await;
        let run = ada.say(thread["id"].as_str().unwrap(), "Go on").await;
        answered(&run).await;
        assert_eq!(used().await, 1);
        let now = ada.get(&path).await["team_id"].clone();
        assert_eq!(now, ada.get("/api/teams").await["data"][0]["id"], "it counts for a team that she has");
    }

    async fn budgets_are_given_by_those_who_run_the_installation(app: TestApp, provider: IdentityProvider) {
        let People { admin, ada, grace } = people(&app, &provider).await;
        let ops = team(&admin, "Ops").await;
        join(&admin, &ops, &ada, "admin").await;
        let of_team = format!("/api/teams/{ops}/budget");
        let of_user = format!("/api/users/{}/budget", ada.id().await);
        let some = json!({ "tokens_per_month": 5_000 });
        for (path, status) in [(&of_team, 403), (&of_user, 403)] {
            assert_eq!(ada.send_json(Method::PUT, path, &some, status).await["code"], "forbidden");
            assert_eq!(ada.status(Method::DELETE, path).await, status);
        }
        assert_eq!(ada.get(&of_team).await["tokens_per_month"], Value::Null, "who runs the team sees it");
        assert_eq!(ada.status(Method::GET, &of_user).await, 403);
        for method in [Method::GET, Method::DELETE] {
            assert_eq!(grace.status(method, &of_team).await, 404);
        }
        grace.send_json(Method::PUT, &of_team, &some, 404).await;
        for path in [&of_team, &of_user] {
            let given = admin.send_json(Method::PUT, path, &some, 200).await;
            assert_eq!(
                (&given["tokens_per_month"], &given["own"], &given["left"]),
                (&json!(5_000), &json!(true), &json!(5_000))
            );
            assert_eq!(admin.get(path).await, given);
            assert_eq!(admin.status(Method::DELETE, path).await, 204);
            assert_eq!(admin.get(path).await["own"], false);
            for (bad, code) in [
                (json!({ "tokens_per_month": -1 }), "invalid_budget"),
                (json!({ "tokens_per_month": 1_000_000_000_000_001_i64 }), "invalid_budget"),
                (json!({ "tokens_per_month": 1.5 }), "invalid_body"),
                (json!({}), "invalid_body"),
                (json!({ "tokens_per_month": 5, "used": 0 }), "invalid_body"),
            ] {
                assert_eq!(admin.send_json(Method::PUT, path, &bad, 400).await["code"], code, "{bad}");
            }
        }
        for nobody in
            ["/api/users/usr_01h455vb4pex5vsknk084sn02q/budget", "/api/teams/team_01h455vb4pex5vsknk084sn02q/budget"]
        {
            admin.send_json(Method::PUT, nobody, &some, 404).await;
            assert_eq!(admin.status(Method::GET, nobody).await, 404);
            assert_eq!(admin.status(Method::DELETE, nobody).await, 404);
        }
        assert_eq!(admin.status(Method::GET, "/api/teams/team_01h455vb4pex5vsknk084sn02q/usage").await, 404);
        let told = admin.get("/api/audit?action=budget.changed").await;
        let details: Vec<_> = told["data"].as_array().unwrap().iter().map(|event| event["details"].clone()).collect();
        let (given, cleared) = (json!({ "tokens": 5_000 }), json!({ "tokens": "default", "tokens_before": 5_000 }));
        assert_eq!(details, [cleared.clone(), given.clone(), cleared, given]);
        assert_eq!(told["data"][0]["user_id"], json!(ada.id().await));
        assert_eq!(told["data"][2]["team_id"], json!(ops));
    }
}

mod by_default {
    use super::*;

    on_both_databases! {
        what_the_configuration_says_counts_for_whoever_has_none_of_their_own,
    }

    async fn what_the_configuration_says_counts_for_whoever_has_none_of_their_own(database: Database) {
        let budgets = Defaults { user: Budget::Tokens(10), team: Budget::Tokens(1_000_000), answer_tokens: 64 };
        let app = TestApp::start_with(database, Options { budgets, ..Options::default() }).await;
        let (thread, _) = app.conversation("Hello", "Hi").await;
        let budgets = app.get("/api/usage").await["budgets"].clone();
        assert_eq!((&budgets[0]["own"], &budgets[0]["left"]), (&json!(false), &json!(0)));
        assert_eq!((&budgets[1]["of"], &budgets[1]["left"]), (&json!("team"), &json!(999_990)));
        let path = format!("/api/threads/{thread}/runs");
        assert_eq!(app.send(Method::POST, &path, &json!({ "input": "x" }), 429).await["code"], "budget_spent");
        // One of their own counts instead, until it is taken back.
        app.send(Method::PUT, &own_path(&app).await, &json!({ "tokens_per_month": null }), 200).await;
        let run = app.say(&thread, "Hello").await;
        let exchange = app.model.next().await;
        assert_eq!(exchange.request["max_tokens"], 64, "the team's bounds it");
        exchange.answer("Hi").await;
        app.ended(&run).await;
        app.send(Method::DELETE, &own_path(&app).await, &json!({}), 204).await;
        assert_eq!(app.send(Method::POST, &path, &json!({ "input": "x" }), 429).await["code"], "budget_spent");
    }
}
