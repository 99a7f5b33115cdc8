//! How each route is asked so that the owner gets what they ask for.

use std::time::Duration;

use reqwest::Method;
use retinue_model::Name;
use retinue_model::membership::Role;
use retinue_testkit::{IdentityProvider, Person, TestApp, until};
use serde_json::{Value, json};

use super::query::purpose;
use super::route::Route;
use crate::place::mailed;

/// A request that each of them makes.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) is_page: bool,
    /// Whether the path has an id in it.
    pub(super) has_id: bool,
    pub(super) content: Content,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Nothing,
    Json(Value),
    Form(String),
}

/// What a request says. Each route that takes something has its line here.
fn content(route: &Route, things: &Things) -> Content {
    use Content::{Json, Nothing};
    let token = &things.token;
    // No two teams have the same name.
    let unique = |name: &str| format!("{name}-{}", &things.thread[4..]);
    match (route.method.as_str(), route.path.as_str()) {
        ("GET" | "DELETE", _)
        | (
            "POST",
            "/api/runs/{id}/cancel"
            | "/api/runs/{id}/retry"
            | "/auth/logout"
            | "/threads/{id}/delete"
            | "/runs/{id}/cancel"
            | "/runs/{id}/retry"
            | "/account/identities/{id}/remove"
            | "/account/sessions/{id}/end"
            | "/account/sessions/end-others"
            | "/account/take-over"
            | "/api/agents/{id}/restore"
            | "/agents/{id}/delete"
            | "/agents/{id}/restore"
            | "/api-keys/{id}/revoke"
            | "/teams/{id}/members/{user_id}/remove"
            | "/teams/{id}/invitations/{invitation_id}/revoke",
        ) => Nothing,
        ("POST", "/api/threads") => Json(json!({"title": "New"})),
        ("POST", "/api/teams") => Json(json!({"name": unique("New")})),
        ("PATCH", "/api/teams/{id}") => Json(json!({"name": unique("Changed")})),
        ("POST", "/api/teams/{id}/members") => Json(json!({"email": "admin@example.com", "role": "viewer"})),
        ("POST", "/api/teams/{id}/invitations") => Json(json!({"role": "viewer"})),
        // One that counts would let somebody into the owner's team.
        ("POST", "/invitations/accept") => form("token=none"),
        ("PATCH", "/api/teams/{id}/members/{user_id}") => Json(json!({"role": "admin"})),
        ("PUT", "/api/teams/{id}/budget" | "/api/users/{id}/budget") => Json(json!({"tokens_per_month": null})),
        ("POST", "/api/agents" | "/api/api-keys") => Json(json!({"team_id": things.team, "name": "New"})),
        ("PATCH", "/api/agents/{id}") => Json(json!({"description": "Changed"})),
        ("PATCH", "/api/threads/{id}") => Json(json!({"title": "Changed"})),
        ("POST", "/api/threads/{id}/runs") => Json(json!({"input": "More"})),
        ("POST", "/auth/backchannel-logout") => form("logout_token=none"),
        ("POST", "/threads" | "/threads/{id}/runs") => form("input=More"),
        ("POST", "/threads/{id}/title") => form("title=Changed"),
        ("POST", "/account/name") => form("name=ada"),
        ("PATCH", "/api/users/{id}") => Json(json!({"disabled": false})),
        ("POST", "/admin/users/{id}") => form("act=enable"),
        // By which nobody leaves: whoever does gets nothing themselves.
        ("POST", "/api/users/{id}/offboard") => Json(json!({"teams_to": things.owner})),
        ("POST", "/admin/users/{id}/offboard") => form(&format!("threads=keep&agents=keep&teams_to={}", things.owner)),
        ("POST", "/teams" | "/teams/{id}/name") => form(&format!("name={}", unique("Changed"))),
        ("POST", "/teams/{id}/members") => form("user=admin%40example.com&role=viewer"),
        ("POST", "/teams/{id}/members/{user_id}/role") => form("role=admin"),
        ("POST", "/teams/{id}/invitations") => form("role=viewer&days=7"),
        ("POST", "/teams/{id}/budget" | "/admin/users/{id}/budget") => form("kind=default"),
        ("POST", "/teams/{id}/delete") => form("heir="),
        ("POST", "/agents") => form(&format!("team={}&name=Typed&sharing=team", things.team)),
        ("POST", "/agents/{id}") => form("version=1&name=Changed&sharing=team"),
        ("POST", "/api-keys") => form(&format!("team={}&name=New&days=90&threads%3Aread=1", things.team)),
        ("POST", "/account/identities/add") => form("provider=sso"),
        ("POST", "/account/password") => form("current_password=correct+horse+battery&password=correct+horse+battery"),
        ("POST", "/account/email") => form("email=ada%40example.org&current_password=correct+horse+battery"),
        ("POST", "/auth/login") => form("email=nobody%40example.com&password=correct+horse+battery"),
        ("POST", "/auth/magic-link") => form("email=ada%40example.com"),
        ("POST", "/auth/password-reset") => form("email=grace%40example.com"),
        ("POST", "/auth/register") => form(&format!("token={token}&name=Ivy&password=correct+horse+battery")),
        ("POST", "/auth/magic-link/verify" | "/auth/email-change/verify") => form(&format!("token={token}")),
        ("POST", "/auth/password-reset/verify") => form(&format!("token={token}&password=correct+horse+battery")),
        // Once somebody can sign in, there is none that counts.
        ("POST", "/set-up") => form("token=none&name=Ada&email=ada%40example.org&password=correct+horse+battery"),
        _ => panic!(
            "{} is new: say in `content` (tests/it/isolation/recipe.rs) what its owner sends, \
             then look at the line that it gets in matrix.txt",
            route.name()
        ),
    }
}

fn form(text: &str) -> Content {
    Content::Form(text.to_owned())
}

/// Whether somebody may come in at this door with a token.
pub(super) fn lets_in(app: &TestApp, route: &Route) -> bool {
    route.method == Method::POST && purpose(&route.path).is_some() && app.app.auth().takes_addresses()
}

/// What the owner finds of what is theirs.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    all: Value,
    /// Their ids.
    pub(super) sessions: Vec<String>,
}

/// What belongs to the owner, made anew for each route.
#[derive(Clone, Debug)]
pub(super) struct Things {
    thread: String,
    run: String,
    message: String,
    session: String,
    identity: String,
    agent: String,
    team: String,
    owner: String,
    key: String,
    /// The id of an invitation into the team, and the token of its link.
    invitation: (String, String),
    /// What opens the door; `none` where nothing does.
    token: String,
}

impl Things {
    /// Makes them.
    pub(super) async fn make(app: &TestApp, owner: &Person, route: &Route, provider: &IdentityProvider) -> Self {
        let team = own_team(app, owner).await;
        if route.path.contains("/identities/{") {
            let subject = format!("ada, for {}", route.name());
            provider.introduce(&subject, json!({"name": "ada"}));
            assert_eq!(owner.add_identity("sso", provider).await.status(), 303);
        }
        super::make_room(owner).await;
        Self::in_team(owner, owner, team).await
    }

    /// Makes them in a team, into which somebody invites who may.
    pub(super) async fn in_team(owner: &Person, inviter: &Person, team: String) -> Self {
        let (_, thread) = owner.post("/api/threads", &json!({"title": "Plans of Ada"})).await;
        let thread = id(&thread).to_owned();
        let run = owner.say(&thread, "Figures of Ada").await;
        owner.post(&format!("/api/runs/{run}/cancel"), &json!({})).await;
        // To its end: what is asked about it later does not depend on how fast that came.
        let events = owner.follow(&run).await.rest().await;
        assert_eq!(events.last().unwrap().name, "run.cancelled");
        let messages = owner.get(&format!("/api/threads/{thread}/messages")).await;
        let sessions = owner.get("/api/sessions").await;
        let identities = owner.get("/api/identities").await;
        let new = json!({"team_id": team, "name": format!("Helper of Ada {}", &thread[4..])});
        let (_, agent) = owner.post("/api/agents", &new).await;
        let (_, key) = owner.post("/api/api-keys", &json!({"team_id": team, "name": "Key of Ada"})).await;
        let invitation = invite(inviter, &team).await;
        let is_other = |session: &&Value| session["current"] == json!(false);
        Self {
            thread,
            run,
            message: id(&messages["data"][0]).to_owned(),
            session: id(list(&sessions).iter().find(is_other).unwrap_or(&list(&sessions)[0])).to_owned(),
            identity: id(list(&identities).last().unwrap()).to_owned(),
            agent: id(&agent).to_owned(),
            team,
            owner: owner.id().await,
            key: id(&key).to_owned(),
            invitation,
            token: "none".to_owned(),
        }
    }

    /// These, with another agent of the owner's.
    pub(super) fn with_agent(&self, agent: String) -> Self {
        Self { agent, ..self.clone() }
    }

    /// How much of what is the owner's alone is in an answer, whatever role somebody has.
    pub(super) fn private_in(&self, text: &str, request: &Request) -> usize {
        let all = [&self.thread, &self.run, &self.message, "Plans of Ada", "Figures of Ada"];
        let plain = text.replace("<mark>", "").replace("</mark>", "");
        all.into_iter().filter(|thing| !request.path.contains(*thing) && plain.contains(*thing)).count()
    }

    /// How much of what the team has is in an answer: its name's id, who is in it, an agent, a key and an invitation.
    pub(super) fn shared_in(&self, text: &str, request: &Request) -> usize {
        let all = [&self.team, &self.owner, &self.agent, &self.key, &self.invitation.0];
        all.into_iter().filter(|thing| !request.path.contains(*thing) && text.contains(*thing)).count()
    }

    /// These, with a new token for this door, where tokens count: of the owner, or an invitation, which is nobody's yet.
    pub(super) async fn with_a_token(&self, app: &TestApp, route: &Route) -> Self {
        let purpose = purpose(&route.path).filter(|_| app.app.auth().takes_addresses());
        let token = match purpose {
            None => "none".to_owned(),
            Some("invitation") => {
                let count = app.database.ask("SELECT COUNT(*) FROM one_time_tokens").await.remove(0);
                let address = format!("guest{count}@example.com").try_into().unwrap();
                app.administration().await.invite(&address).await.unwrap()
            }
            Some(purpose) => mailed(app, purpose, "ada").await,
        };
        Self { token, ..self.clone() }
    }

    /// What the owner finds of them, but for what those who run the installation may change: teams and what is in them.
    pub(super) async fn state(&self, owner: &Person) -> State {
        let ids = |found: Value| list(&found).iter().map(|found| id(found).to_owned()).collect::<Vec<_>>();
        let all = json!([
            owner.get(&format!("/api/threads/{}", self.thread)).await,
            owner.get(&format!("/api/threads/{}/messages", self.thread)).await,
            owner.get(&format!("/api/runs/{}", self.run)).await,
            ids(owner.get("/api/threads").await),
            ids(owner.get("/api/identities").await),
            owner.get("/auth/me").await["user"],
        ]);
        State { all, sessions: ids(owner.get("/api/sessions").await) }
    }

    /// How many of them are in an answer, but for what the request said itself.
    pub(super) fn seen_in(&self, text: &str, request: &Request) -> usize {
        let words = ["Plans of Ada", "Figures of Ada", "Helper of Ada"];
        let ids = [&self.thread, &self.run, &self.message, &self.session, &self.identity];
        // By what somebody did something, and with what they came in, the audit trail names to those who read it.
        let named = if request.path.starts_with("/api/audit") { 3 } else { ids.len() };
        let ids = ids.into_iter().take(named).map(String::as_str);
        let all = ids.chain(words).filter(|thing| !request.path.contains(thing));
        // What a search found may have its words marked.
        let plain = text.replace("<mark>", "").replace("</mark>", "");
        all.filter(|thing| plain.contains(thing)).count()
    }

    /// These, in a conversation of other ones.
    pub(super) fn below(&self, others: &Self) -> Self {
        Self { thread: others.thread.clone(), ..self.clone() }
    }

    fn in_query(&self, query: &str) -> String {
        let query = query.replace("{token}", &self.token).replace("{team}", &self.team).replace("{owner}", &self.owner);
        query.replace("{invitation}", &self.invitation.1)
    }

    fn fill(&self, route: &Route, noun: &str, parameter: &str) -> &str {
        match (noun, parameter) {
            ("threads", "id") => &self.thread,
            ("runs", "id") => &self.run,
            ("turns", "message_id") => &self.message,
            ("sessions", "id") => &self.session,
            ("identities", "id") => &self.identity,
            ("agents", "id") => &self.agent,
            ("teams", "id") => &self.team,
            ("members", "user_id") | ("users", "id") => &self.owner,
            ("api-keys", "id") => &self.key,
            ("invitations", "invitation_id") => &self.invitation.0,
            ("callback", "name") => "sso",
            ("assets", "hash" | "name") => "none",
            _ => panic!(
                "{} has `{{{parameter}}}` after `{noun}`, which is new: make one that belongs to the owner in `Things` \
                 (tests/it/isolation/recipe.rs), and add the noun to `OWNED` in route.rs if it is somebody's",
                route.name()
            ),
        }
    }
}

/// The request for a route.
pub(super) fn request(route: &Route, query: &str, things: &Things) -> Request {
    let mut path = route.path.clone();
    for (noun, parameter) in route.parameters() {
        path = path.replacen(&format!("{{{parameter}}}"), things.fill(route, noun, parameter), 1);
    }
    Request {
        method: route.method.clone(),
        path: format!("{path}{}", things.in_query(query)),
        is_page: route.is_page,
        has_id: !route.parameters().is_empty(),
        content: content(route, things),
    }
}

/// A team in which the owner is alone.
async fn own_team(app: &TestApp, owner: &Person) -> String {
    let teams = owner.get("/api/teams?limit=200").await;
    let is_own = |team: &&Value| team["role"] == json!("admin");
    if let Some(own) = list(&teams).iter().find(is_own) {
        return id(own).to_owned();
    }
    let administration = app.administration().await;
    let team = administration.create_team(Name::new("Team of Ada").unwrap(), None).await;
    let team = match team {
        Ok(team) => team,
        Err(_) => administration.find_team("team-of-ada").await.unwrap(),
    };
    let user = administration.find(&owner.id().await).await.unwrap();
    administration.add_member(&team, &user, Role::Admin).await.unwrap();
    let team = team.id.to_string();
    until("the server has heard of it", Duration::from_secs(5), async || {
        owner.get("/auth/me").await["teams"]
            .as_array()
            .unwrap()
            .iter()
            .any(|own| own["id"] == json!(team))
            .then_some(())
    })
    .await;
    team
}

/// An invitation of the owner's; its id, and its token.
async fn invite(owner: &Person, team: &str) -> (String, String) {
    let (_, made) = owner.post(&format!("/api/teams/{team}/invitations"), &json!({"role": "viewer"})).await;
    let (_, token) = made["link"].as_str().unwrap().split_once("token=").unwrap();
    (id(&made).to_owned(), token.to_owned())
}

fn list(answer: &Value) -> &[Value] {
    answer["data"].as_array().unwrap()
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}
