//! What is explained is what the doors do: every action of the table, for people of every kind.

use std::collections::BTreeSet;

use reqwest::Method;
use retinue_app::policy::Action;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use super::{agent, explain};
use crate::api_key::key;
use crate::invitation::invite;
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    what_is_explained_is_what_the_doors_do,
}

const NIL: &str = "00000000000000000000000009";

/// Somebody tries something.
struct Try {
    action: Action,
    /// What the explainer is asked about.
    resource: String,
    method: Method,
    path: String,
    body: Value,
}

fn attempt(action: Action, resource: &str, (method, path): (Method, String), body: Value) -> Try {
    Try { action, resource: resource.to_owned(), method, path, body }
}

/// The team, who is in it, and what is there.
struct Site {
    team: String,
    /// Whose things the others try to reach, and who lets people in again.
    editor: Person,
    team_admin: Person,
    /// Of whom nothing is changed.
    bystander: String,
    /// Shared in each way.
    agents: Vec<String>,
    thread: String,
}

impl Site {
    /// What is tried with the organization.
    fn of_organization(&self) -> Vec<Try> {
        let user = format!("/api/users/{}", self.bystander);
        let get = |action, path: &str| attempt(action, "organization", (Method::GET, path.to_owned()), json!({}));
        let explaining = format!("/api/access/explain?user={}&action=team.list&resource=organization", self.bystander);
        let budget = (Method::PUT, format!("{user}/budget"));
        vec![
            attempt(Action::BudgetChange, &self.bystander, budget, json!({ "tokens_per_month": null })),
            get(Action::UserList, "/api/users"),
            get(Action::TeamList, "/api/teams?all=true"),
            get(Action::AuditRead, "/api/audit"),
            get(Action::UsageRead, "/api/usage/organization"),
            get(Action::AccessExplain, &explaining),
            get(Action::UserOffboard, &format!("{user}/offboard")),
            attempt(Action::UserDisable, &self.bystander, (Method::PATCH, user.clone()), json!({ "disabled": false })),
            attempt(
                Action::UserGrantAdmin,
                &self.bystander,
                (Method::PATCH, user),
                json!({ "organization_admin": false }),
            ),
            // There is one of that name.
            attempt(
                Action::TeamCreate,
                "organization",
                (Method::POST, "/api/teams".to_owned()),
                json!({ "name": "Ops" }),
            ),
        ]
    }

    /// What is tried with the team and with who is in it, by somebody.
    async fn of_team(&self, who: &Person) -> Vec<Try> {
        let (team, path) = (&self.team, format!("/api/teams/{}", self.team));
        let get = |action, path: String| attempt(action, team, (Method::GET, path), json!({}));
        let below = |rest: &str| format!("{path}/{rest}");
        let (invitation, _) = invite(&self.team_admin, team, &json!({ "role": "viewer" })).await;
        let editor = json!({ "user_id": self.editor.id().await, "role": "editor" });
        let last_admin = below(&format!("members/{}", self.team_admin.id().await));
        let member = below(&format!("members/{}", self.editor.id().await));
        let nowhere = format!("{path}?agents=move&move_to=team_{NIL}");
        vec![
            get(Action::TeamRead, path.clone()),
            attempt(Action::TeamChange, team, (Method::PATCH, path.clone()), json!({})),
            attempt(Action::TeamDelete, team, (Method::DELETE, nowhere), json!({})),
            get(Action::MemberRead, below("members")),
            attempt(Action::MemberAdd, team, (Method::POST, below("members")), editor),
            attempt(Action::MemberChange, team, (Method::PATCH, member), json!({ "role": "editor" })),
            get(Action::InvitationRead, below("invitations")),
            attempt(Action::InvitationCreate, team, (Method::POST, below("invitations")), json!({ "role": "viewer" })),
            attempt(
                Action::InvitationRevoke,
                team,
                (Method::DELETE, below(&format!("invitations/{invitation}"))),
                json!({}),
            ),
            get(Action::KeyReadOfTeam, below("api-keys")),
            get(Action::AuditReadOfTeam, format!("/api/audit?team_id={team}")),
            get(Action::UsageReadOfTeam, below("usage")),
            attempt(
                Action::BudgetChangeOfTeam,
                team,
                (Method::PUT, below("budget")),
                json!({ "tokens_per_month": null }),
            ),
            attempt(
                Action::AgentCreate,
                team,
                (Method::POST, "/api/agents".to_owned()),
                json!({ "team_id": team, "name": "Helper team" }),
            ),
            attempt(
                Action::KeyCreate,
                team,
                (Method::POST, "/api/api-keys".to_owned()),
                json!({ "team_id": team, "name": "tried", "scopes": ["threads:read"] }),
            ),
            // The only admin stays, whoever may take people out.
            attempt(Action::MemberRemove, team, (Method::DELETE, last_admin), json!({})),
            attempt(
                Action::MemberLeave,
                team,
                (Method::DELETE, below(&format!("members/{}", who.id().await))),
                json!({}),
            ),
        ]
    }

    /// What is tried with the things in it.
    async fn of_things(&self) -> Vec<Try> {
        let mut all = vec![attempt(
            Action::ThreadUse,
            &self.thread,
            (Method::GET, format!("/api/threads/{}", self.thread)),
            json!({}),
        )];
        let (_, key) = key(&self.editor, &self.team, &["threads:read"]).await;
        all.push(attempt(Action::KeyRevoke, &key, (Method::DELETE, format!("/api/api-keys/{key}")), json!({})));
        for agent in &self.agents {
            let path = format!("/api/agents/{agent}");
            all.extend([
                attempt(Action::AgentRead, agent, (Method::GET, path.clone()), json!({})),
                attempt(
                    Action::AgentUse,
                    agent,
                    (Method::POST, "/api/threads".to_owned()),
                    json!({ "agent_id": agent }),
                ),
                attempt(Action::AgentChange, agent, (Method::PATCH, path), json!({})),
            ]);
        }
        all
    }

    /// What changes how an agent is shared, or ends it: with one that is made for it.
    async fn of_new_agents(&self, sharing: &str) -> Vec<Try> {
        let mut all = Vec::new();
        for (action, method, body) in [
            (Action::AgentShare, Method::PATCH, json!({ "sharing": "organization" })),
            (Action::AgentDelete, Method::DELETE, json!({})),
        ] {
            let new = json!({ "team_id": self.team, "name": format!("{action:?}"), "sharing": sharing });
            let made = self.editor.send_json(Method::POST, "/api/agents", &new, 201).await;
            let agent = made["id"].as_str().unwrap();
            all.push(attempt(action, agent, (method, format!("/api/agents/{agent}")), body));
        }
        all
    }
}

/// What a door answers to whom an explanation says this of; nothing particular to whoever may.
fn refusal(tried: &Try, told: &Value) -> Option<u16> {
    let is = |name: &str| told[name].as_bool().unwrap();
    match (is("allowed"), tried.action, is("visible")) {
        (true, ..) => None,
        // Whoever may read an agent and not use it is told that there is none to choose.
        (false, Action::AgentUse, _) => Some(400),
        (false, _, true) => Some(403),
        (false, _, false) => Some(404),
    }
}

async fn is_as_explained(admin: &Person, person: &Person, tried: Try) -> Action {
    let told = explain(admin, &person.id().await, tried.action.as_str(), &tried.resource).await;
    let response = person.send(person.request(tried.method.clone(), &tried.path).json(&tried.body)).await;
    let status = response.status().as_u16();
    let what = format!("{} {} {}: {status}, and {told}", told["user"]["name"], tried.method, tried.path);
    match refusal(&tried, &told) {
        Some(refused) => assert_eq!(status, refused, "{what}"),
        None => assert!(![401, 403, 404].contains(&status) && status < 500, "{what}"),
    }
    if tried.action == Action::AgentUse && told["allowed"] == json!(true) {
        assert_eq!(status, 201, "{what}");
    }
    tried.action
}

async fn what_is_explained_is_what_the_doors_do(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada: editor, grace: stranger } = people(&app, &provider).await;
    let viewer = Person::signed_in(&app, &provider, "vera").await;
    let team_admin = Person::signed_in(&app, &provider, "tom").await;
    let bystander = Person::signed_in(&app, &provider, "otto").await.id().await;
    let team = team(&admin, "Ops").await;
    for (person, role) in [(&editor, "editor"), (&viewer, "viewer"), (&team_admin, "admin")] {
        join(&admin, &team, person, role).await;
    }
    // Whoever runs the installation does not belong to it.
    assert_eq!(admin.status(Method::DELETE, &format!("/api/teams/{team}/members/{}", admin.id().await)).await, 204);
    let mut agents = Vec::new();
    for (maker, sharing) in [(&editor, "private"), (&editor, "team"), (&team_admin, "organization")] {
        agents.push(agent(maker, &team, sharing).await);
    }
    let thread = editor.thread().await;
    let site = Site { team, editor, team_admin, bystander, agents, thread };
    let mut met = BTreeSet::new();
    for (person, role) in
        [(&admin, ""), (&site.editor, "editor"), (&stranger, ""), (&viewer, "viewer"), (&site.team_admin, "admin")]
    {
        let mut tries = site.of_organization();
        tries.extend(site.of_things().await);
        for sharing in ["private", "team"] {
            tries.extend(site.of_new_agents(sharing).await);
            for tried in std::mem::take(&mut tries) {
                met.insert(is_as_explained(&admin, person, tried).await.as_str());
            }
            app.database.ask("UPDATE agents SET deleted_at = updated_at WHERE name LIKE 'Agent%'").await;
        }
        for tried in site.of_team(person).await {
            met.insert(is_as_explained(&admin, person, tried).await.as_str());
        }
        if matches!(role, "editor" | "viewer") {
            join(&site.team_admin, &site.team, person, role).await;
        }
    }
    assert_eq!(met, Action::ALL.iter().map(|action| action.as_str()).collect(), "an action has no door here");
}
