//! What each role may do with a team and what is in it, for every route that reaches such things.

use std::fmt::Write as _;

use reqwest::Method;
use retinue_model::api_key::KeyScope;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::json;

use super::query;
use super::recipe::{self, Content, Request, Things};
use super::route::{self, Route};
use super::{actor, snapshot};
use crate::api_key::key;
use crate::team::{join, team};

with_people_on_both_engines! {
    each_role_gets_what_the_table_of_rights_says,
}

const HEAD: &str = "\
# What each role gets of a team and of what is in it; `role.rs` compares it with what is true.
#
# `maker` is an editor who made the agent, the key and the conversation. `viewer`, `editor` and `admin` belong to the team.
# `org admin` runs the installation and does not belong to it. `elsewhere` is an admin of another team. `key` is an API key of
# the team's admin that acts in the team, `key else` one of theirs that acts in another team; both have every scope, and no
# page takes them. `(2)`: of the team, its maker, the agent, the key and an invitation two are in the answer. An agent is asked
# for three times: its maker's alone, shared in the team, shared with the organization. Of the conversation nobody but its
# maker gets anything, whatever this file says.
";

const ROLES: [&str; 8] = ["maker", "viewer", "editor", "admin", "org admin", "elsewhere", "key", "key else"];
const SHARINGS: [&str; 3] = ["private", "team", "organization"];

/// What is for whoever asks, and is in the other matrix.
const OF_ONESELF: [&str; 13] = [
    "/account",
    "/api/identities",
    "/api/sessions",
    "/assets",
    "/auth",
    "/healthz",
    "/invitations/accept",
    "/metrics",
    "/openapi.json",
    "/readyz",
    "/set-up",
    "/sign-in",
    "/signed-out",
];

/// Who asks.
struct Cast {
    people: Vec<Person>,
    count: usize,
    /// The team that there is now.
    team: Option<String>,
}

/// A team, and what is in it.
struct Site {
    things: Things,
    /// One agent of each sharing.
    agents: Vec<String>,
    /// The keys of the team's admin: in this team, and in another one.
    keys: [String; 2],
}

impl Cast {
    async fn assemble(app: &TestApp, provider: &IdentityProvider) -> Self {
        let mut people = Vec::new();
        // The first of that name runs the installation.
        for name in ["admin", "ada", "vera", "edith", "tom", "otto"] {
            people.push(Person::signed_in(app, provider, name).await);
        }
        let cast = Self { people, count: 0, team: None };
        let other = team(cast.person("org admin"), "Elsewhere").await;
        join(cast.person("org admin"), &other, cast.person("elsewhere"), "admin").await;
        join(cast.person("org admin"), &other, cast.person("admin"), "admin").await;
        cast
    }

    fn person(&self, role: &str) -> &Person {
        let at =
            ["org admin", "maker", "viewer", "editor", "admin", "elsewhere"].iter().position(|known| *known == role);
        &self.people[at.unwrap()]
    }

    /// A new team, with all of it.
    async fn settle(&mut self, app: &TestApp) -> Site {
        self.count += 1;
        if let Some(old) = self.team.take() {
            // Unless that was what was asked for.
            let gone = format!("/api/teams/{old}?agents=delete");
            assert!([204, 404].contains(&self.person("org admin").status(Method::DELETE, &gone).await));
        }
        let (root, maker, admin) = (self.person("org admin"), self.person("maker"), self.person("admin"));
        let id = team(root, &format!("Crew {}", self.count)).await;
        for role in ["viewer", "editor", "admin"] {
            join(root, &id, self.person(role), role).await;
        }
        join(root, &id, maker, "editor").await;
        let left = root.status(Method::DELETE, &format!("/api/teams/{id}/members/{}", root.id().await)).await;
        assert_eq!(left, 204);
        for owner in [maker, admin] {
            // Nobody has any number of keys.
            for key in owner.get("/api/api-keys?limit=200").await["data"].as_array().unwrap() {
                let path = format!("/api/api-keys/{}", key["id"].as_str().unwrap());
                assert_eq!(owner.status(Method::DELETE, &path).await, 204);
            }
        }
        // Nor does anybody make any number of them in an hour.
        app.database.ask("DELETE FROM api_keys WHERE revoked_at IS NOT NULL").await;
        let things = Things::in_team(maker, admin, id.clone()).await;
        let mut agents = Vec::new();
        for sharing in SHARINGS {
            let name = format!("Hand {}, {sharing}", self.count);
            let new = json!({ "team_id": id, "name": name, "sharing": if sharing == "organization" { "team" } else { sharing } });
            let made = maker.send_json(Method::POST, "/api/agents", &new, 201).await;
            let agent = made["id"].as_str().unwrap().to_owned();
            if sharing == "organization" {
                admin
                    .send_json(Method::PATCH, &format!("/api/agents/{agent}"), &json!({ "sharing": sharing }), 200)
                    .await;
            }
            agents.push(agent);
        }
        let scopes: Vec<_> = KeyScope::ALL.iter().map(|scope| scope.as_str()).collect();
        let teams = admin.get("/api/teams?limit=200").await;
        let is_other = |team: &&serde_json::Value| team["slug"] == json!("elsewhere");
        let other = teams["data"].as_array().unwrap().iter().find(is_other).unwrap()["id"].as_str().unwrap().to_owned();
        let keys = [key(admin, &id, &scopes).await.0, key(admin, &other, &scopes).await.0];
        self.team = Some(id);
        Site { things, agents, keys }
    }
}

/// What is asked for: how it is called, and how it is asked.
struct Question {
    name: String,
    request: Request,
}

/// All questions of a route, over what is there now.
fn questions(route: &Route, site: &Site) -> Vec<Question> {
    let mut all = Vec::new();
    for query in query::queries(route) {
        let ask = |things: &Things| recipe::request(route, query, things);
        let name = format!("{:6} {}{query}", route.method.as_str(), route.path);
        let begins = route.method == Method::POST && route.path == "/api/threads";
        if !begins && !route.path.contains("/agents/{") {
            all.push(Question { name, request: ask(&site.things) });
            continue;
        }
        for (sharing, agent) in SHARINGS.iter().zip(&site.agents) {
            let mut request = ask(&site.things.with_agent(agent.clone()));
            if begins {
                request.content = Content::Json(json!({ "agent_id": agent }));
            }
            all.push(Question { name: format!("{name}, {sharing}"), request });
        }
    }
    all
}

async fn each_role_gets_what_the_table_of_rights_says(app: TestApp, provider: IdentityProvider) {
    let mut cast = Cast::assemble(&app, &provider).await;
    let mut site = cast.settle(&app).await;
    let mut found = HEAD.to_owned();
    write!(found, "\n{:62}", "").unwrap();
    for role in ROLES {
        write!(found, " {role:9}").unwrap();
    }
    for route in route::all() {
        if OF_ONESELF.iter().any(|start| route.path.starts_with(start)) {
            continue;
        }
        for at in 0..questions(&route, &site).len() {
            let mut statuses = Vec::new();
            let mut name = String::new();
            let mut line = String::new();
            for role in ROLES {
                let question = questions(&route, &site).swap_remove(at);
                let (status, cell) = ask(&app, &cast, (role, &question), &site).await;
                write!(line, " {cell:9}").unwrap();
                statuses.push(status);
                name = question.name;
                if route.method != Method::GET && status < 400 {
                    site = cast.settle(&app).await;
                }
            }
            roles_are_in_order(&name, &statuses);
            write!(found, "\n{name:62}{line}").unwrap();
        }
    }
    let found: String = found.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    snapshot::compare("isolation/roles.txt", &found);
}

/// Whatever the file says: whoever has the higher role may do what the lower may, and a key no more than its owner.
fn roles_are_in_order(name: &str, statuses: &[u16]) {
    let may = |role: &str| {
        let status = statuses[ROLES.iter().position(|known| *known == role).unwrap()];
        // Nobody asks a page with a key, which is 0.
        (200..400).contains(&status)
    };
    for (lower, higher) in [("viewer", "editor"), ("editor", "admin"), ("key", "admin"), ("key else", "admin")] {
        assert!(!may(lower) || may(higher), "{name}: {lower} may, and {higher} may not");
    }
}

async fn ask(app: &TestApp, cast: &Cast, (role, question): (&str, &Question), site: &Site) -> (u16, String) {
    let request = &question.request;
    let response = match ["key", "key else"].iter().position(|known| *known == role) {
        Some(_) if request.is_page => return (0, "-".to_owned()),
        Some(at) => {
            let asked = app.request(request.method.clone(), &request.path).bearer_auth(&site.keys[at]);
            let asked = if let Content::Json(json) = &request.content { asked.json(json) } else { asked };
            asked.send().await.unwrap()
        }
        None => actor::send(cast.person(role), request).await,
    };
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    if role != "maker" {
        let name = format!("{} as {role}: {status}", question.name);
        assert_eq!(site.things.private_in(&text, request), 0, "{name} shows a conversation");
    }
    let cell = match status {
        200 => format!("200 ({})", site.things.shared_in(&text, request)),
        _ => status.to_string(),
    };
    (status, cell)
}
