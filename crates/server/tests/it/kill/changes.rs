//! `kill -9` while rights, teams, keys and agents are changed: afterwards the trail and what it tells of are held against each
//! other, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, Method};
use retinue_model::audit::{Action, AuditEvent, Outcome};
use retinue_store::{Location, Store, Tenant, audit};
use retinue_testkit::{Database, Program, on_both_databases};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

const KILLS: u64 = 40;
const CLIENTS: usize = 4;

/// What was there from the beginning is not told of, nor is who belongs there because they came in.
const DEFAULT: &str = "team_00000000000000000000000001";

on_both_databases! {
    what_was_done_is_told_and_what_is_told_was_done,
}

/// What was done to what, and whom it concerned.
type Deed = (Action, String, Option<String>);

/// How often clients tried something, and were told that it is done.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    tried: usize,
    promised: usize,
}

/// Somebody who changes things until the server dies.
#[derive(Clone)]
struct Admin {
    client: Client,
    base: String,
    /// Whom this one takes into teams and lets run the installation.
    user: String,
    deeds: Arc<Mutex<BTreeMap<String, Count>>>,
    names: Arc<AtomicU64>,
}

fn key((action, target, user): &Deed) -> String {
    format!("{} {target} {}", action.as_str(), user.as_deref().unwrap_or_default())
}

impl Admin {
    async fn send(&self, method: Method, path: &str, body: &Value) -> Option<Value> {
        let request = self.client.request(method, format!("{}{path}", self.base)).json(body);
        let response = request.send().await.ok()?;
        let status = response.status();
        // What comes after the head of the answer may be lost with the server; what it says was done is done.
        let text = response.text().await.unwrap_or_default();
        assert!(status.is_success() || [429, 503].contains(&status.as_u16()), "{path} {body}: {status} {text}");
        status.is_success().then(|| serde_json::from_str(&text).unwrap_or_default())
    }

    /// Makes something, which has an id from then on.
    async fn make(&self, action: Action, path: &str, body: &Value) -> Option<String> {
        let made = self.send(Method::POST, path, body).await?;
        let id = made["id"].as_str()?.to_owned();
        let user = (action == Action::ApiKeyCreated).then(|| made["user_id"].as_str().map(str::to_owned)).flatten();
        let count = Count { tried: 1, promised: 1 };
        self.deeds.lock().await.insert(key(&(action, id.clone(), user)), count);
        Some(id)
    }

    /// Changes something.
    async fn change(&self, deed: Deed, (method, path): (Method, &str), body: Value) -> Option<()> {
        let key = key(&deed);
        self.deeds.lock().await.entry(key.clone()).or_default().tried += 1;
        self.send(method, path, &body).await?;
        self.deeds.lock().await.entry(key).or_default().promised += 1;
        Some(())
    }

    async fn rule(self) -> Option<()> {
        loop {
            self.round().await?;
        }
    }

    async fn round(&self) -> Option<()> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let team = self.make(Action::TeamCreated, "/api/teams", &json!({ "name": format!("Team {number}") })).await?;
        let at = format!("/api/teams/{team}");
        let renamed = json!({ "name": format!("Renamed {number}") });
        self.change((Action::TeamChanged, team.clone(), None), (Method::PATCH, &at), renamed).await?;
        let user = Some(self.user.clone());
        let (members, member) = (format!("{at}/members"), format!("{at}/members/{}", self.user));
        let new = json!({ "user_id": self.user, "role": "viewer" });
        self.change((Action::MembershipAdded, team.clone(), user.clone()), (Method::POST, &members), new).await?;
        let deed = (Action::MembershipChanged, team.clone(), user.clone());
        self.change(deed, (Method::PATCH, &member), json!({ "role": "editor" })).await?;
        let agent = self.agent(&team, number).await?;
        // Nobody makes any number of keys.
        if number.is_multiple_of(20) {
            self.api_key(&team).await?;
        }
        self.rights(user.clone()).await?;
        match number % 3 {
            0 => {
                let deed = (Action::MembershipRemoved, team, user);
                self.change(deed, (Method::DELETE, &member), Value::Null).await
            }
            1 => {
                let path = format!("/api/agents/{agent}");
                self.change((Action::AgentDeleted, agent, None), (Method::DELETE, &path), Value::Null).await
            }
            _ => {
                let path = format!("{at}?agents=delete");
                self.change((Action::TeamDeleted, team, None), (Method::DELETE, &path), Value::Null).await
            }
        }
    }

    /// Lets somebody run the installation, and then no longer.
    async fn rights(&self, user: Option<String>) -> Option<()> {
        let (id, path) = (self.user.clone(), format!("/api/users/{}", self.user));
        let deed = |action| (action, id.clone(), user.clone());
        // A server that was killed may have left it otherwise; if not, this does nothing.
        let no = json!({ "organization_admin": false });
        self.deeds.lock().await.entry(key(&deed(Action::AdminRevoked))).or_default().tried += 1;
        self.send(Method::PATCH, &path, &no).await?;
        let yes = json!({ "organization_admin": true });
        self.change(deed(Action::AdminGranted), (Method::PATCH, &path), yes).await?;
        self.change(deed(Action::AdminRevoked), (Method::PATCH, &path), no).await
    }

    async fn agent(&self, team: &str, number: u64) -> Option<String> {
        let new =
            json!({ "team_id": team, "name": format!("Agent {number}"), "instructions": "Help.", "sharing": "team" });
        let agent = self.make(Action::AgentCreated, "/api/agents", &new).await?;
        let path = format!("/api/agents/{agent}");
        let change = json!({ "instructions": "Help well." });
        self.change((Action::AgentChanged, agent.clone(), None), (Method::PATCH, &path), change).await?;
        Some(agent)
    }

    async fn api_key(&self, team: &str) -> Option<()> {
        let new = json!({ "team_id": team, "name": "key" });
        let Some(key) = self.make(Action::ApiKeyCreated, "/api/api-keys", &new).await else { return Some(()) };
        let (path, me) = (format!("/api/api-keys/{key}"), get(&self.client, &self.base, "/auth/me").await?);
        let me = me["user"]["id"].as_str()?.to_owned();
        self.change((Action::ApiKeyRevoked, key, Some(me)), (Method::DELETE, &path), Value::Null).await
    }
}

/// The program over a database, and somebody for each client.
fn prepare(folder: &Path, database: &Database) -> (Program, Vec<String>) {
    let (name, value) = match database.location() {
        Location::Sqlite(path) => ("RETINUE_DATA_DIR", path.parent().unwrap().to_str().unwrap().to_owned()),
        Location::Postgres { url, .. } => ("DATABASE_URL", url.clone()),
    };
    let add = |email: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retinue"));
        command.args(["user", "add", email, "--no-password", "--json"]).args(more);
        let output = command.current_dir(folder).env_clear().env(name, &value).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        said["id"].as_str().unwrap().to_owned()
    };
    // Somebody runs the installation whatever becomes of the others.
    add("boss@example.com", &["--admin"]);
    let users = (0..CLIENTS).map(|number| add(&format!("user-{number}@example.com"), &[])).collect();
    let program = Program::new(env!("CARGO_BIN_EXE_retinue"), folder)
        .environment("RETINUE__PROVIDERS__OLLAMA", "false")
        .environment(name, &value);
    (program, users)
}

async fn what_was_done_is_told_and_what_is_told_was_done(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let (launcher, users) = prepare(folder.path(), &database);
    let (deeds, names) = (Arc::new(Mutex::new(BTreeMap::new())), Arc::new(AtomicU64::new(0)));
    let client = Client::builder().no_proxy().build().unwrap();
    for round in 0..KILLS {
        let mut program = launcher.start().await;
        let base = format!("http://{}", program.address());
        let mut admins = JoinSet::new();
        for user in &users {
            let (client, base, user) = (client.clone(), base.clone(), user.clone());
            let admin = Admin { client, base, user, deeds: Arc::clone(&deeds), names: Arc::clone(&names) };
            admins.spawn(admin.rule());
        }
        // A different moment each time.
        tokio::time::sleep(Duration::from_millis(40 + round * 0x9e37 % 400)).await;
        program.kill().await;
        while let Some(ended) = admins.join_next().await {
            ended.unwrap();
        }
    }
    let program = launcher.start().await;
    let base = format!("http://{}", program.address());
    let told = told(&database).await;
    each_promise_is_told(&*deeds.lock().await, &told);
    let found = State::found(&client, &base, &users).await;
    assert_eq!(State::told(&told, &users), found);
    assert!(found.teams.len() > 20 && found.agents.len() > 20, "the kills left too little time to test anything");
}

/// All that the trail tells, which is whole.
async fn told(database: &Database) -> Vec<AuditEvent> {
    let (store, us) = (Store::open_beside(database.location()).await.unwrap(), Tenant::default_organization());
    assert_eq!(audit::verify(&us, &store, None).await.unwrap().broken, None);
    let (mut told, mut seq) = (Vec::new(), 0);
    loop {
        let page = audit::after(&us, &store, seq, 1_000).await.unwrap();
        let Some(last) = page.last() else { return told };
        seq = last.seq;
        told.extend(page.into_iter().map(|recorded| recorded.event).filter(|event| event.outcome == Outcome::Done));
    }
}

fn target(event: &AuditEvent) -> String {
    event.target.as_ref().map(|target| target.id.clone()).unwrap_or_default()
}

fn each_promise_is_told(deeds: &BTreeMap<String, Count>, told: &[AuditEvent]) {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for event in told {
        let deed = (event.action, target(event), event.user_id.map(|id| id.to_string()));
        *counted.entry(key(&deed)).or_default() += 1;
    }
    assert!(deeds.values().map(|count| count.promised).sum::<usize>() > 300, "too little was done");
    for (deed, Count { tried, promised }) in deeds {
        let told = counted.get(deed).copied().unwrap_or_default();
        assert!((*promised..=*tried).contains(&told), "{deed}: {promised} promised, {tried} tried, {told} told");
    }
}

/// Everything that the trail tells of, as it is in the end.
#[derive(Debug, Default, PartialEq)]
struct State {
    /// What teams are called.
    teams: BTreeMap<String, String>,
    /// Who belongs to which team, and as what.
    members: BTreeMap<(String, String), String>,
    /// The versions of agents.
    agents: BTreeMap<String, i64>,
    /// Which keys there are, and whether they were revoked.
    keys: BTreeMap<String, bool>,
    /// Who runs the installation.
    admins: BTreeSet<String>,
}

impl State {
    /// What it should be by what is told.
    fn told(told: &[AuditEvent], users: &[String]) -> Self {
        let (mut state, mut homes) = (Self::default(), BTreeMap::new());
        for event in told {
            let details: Value =
                event.details.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
            let text = |name: &str| details[name].as_str().map(str::to_owned);
            let (id, user) = (target(event), event.user_id.map(|id| id.to_string()).unwrap_or_default());
            match event.action {
                Action::TeamCreated | Action::TeamChanged => drop(state.teams.insert(id, text("name").unwrap())),
                Action::TeamDeleted => state.lose(&id, &homes),
                Action::MembershipAdded | Action::MembershipChanged if users.contains(&user) => {
                    state.members.insert((id, user), text("role").unwrap());
                }
                Action::MembershipRemoved => drop(state.members.remove(&(id, user))),
                Action::AgentCreated | Action::AgentChanged => {
                    homes.insert(id.clone(), event.team_id.unwrap().to_string());
                    state.agents.insert(id, details["version"].as_i64().unwrap_or(1));
                }
                Action::AgentDeleted => drop(state.agents.remove(&id)),
                Action::ApiKeyCreated | Action::ApiKeyRevoked => {
                    homes.insert(id.clone(), event.team_id.unwrap().to_string());
                    state.keys.insert(id, event.action == Action::ApiKeyRevoked);
                }
                Action::AdminGranted => drop(state.admins.insert(id)),
                Action::AdminRevoked => drop(state.admins.remove(&id)),
                _ => {}
            }
        }
        state
    }

    /// A team goes with all that is in it.
    fn lose(&mut self, team: &str, homes: &BTreeMap<String, String>) {
        let is_elsewhere = |id: &String| homes[id] != team;
        self.teams.remove(team);
        self.members.retain(|(of, _), _| of != team);
        self.agents.retain(|id, _| is_elsewhere(id));
        self.keys.retain(|id, _| is_elsewhere(id));
    }

    /// What it is.
    async fn found(client: &Client, base: &str, users: &[String]) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut state = Self::default();
        for team in all(client, base, "/api/teams?all=true&").await {
            let id = text(&team["id"]);
            if id == DEFAULT {
                continue;
            }
            for member in all(client, base, &format!("/api/teams/{id}/members?")).await {
                let user = text(&member["user_id"]);
                if users.contains(&user) {
                    state.members.insert((id.clone(), user), text(&member["role"]));
                }
            }
            for key in all(client, base, &format!("/api/teams/{id}/api-keys?")).await {
                state.keys.insert(text(&key["id"]), !key["revoked_at"].is_null());
            }
            state.teams.insert(id, text(&team["name"]));
        }
        for agent in all(client, base, "/api/agents?").await {
            state.agents.insert(text(&agent["id"]), agent["version"].as_i64().unwrap());
        }
        let users_found = all(client, base, "/api/users?").await;
        let admins = users_found.iter().filter(|user| user["organization_admin"] == json!(true));
        state.admins = admins.map(|user| text(&user["id"])).filter(|id| users.contains(id)).collect();
        state
    }
}

/// What is at a path, while the server is there.
async fn get(client: &Client, base: &str, path: &str) -> Option<Value> {
    let response = client.get(format!("{base}{path}")).send().await.ok()?;
    response.error_for_status().ok()?.json().await.ok()
}

/// A whole list.
async fn all(client: &Client, base: &str, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(client, base, &format!("{path}limit=200{cursor}")).await.unwrap();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}
