//! Agents of the configuration: written down when the program starts, so that they are agents like others.

use retinue_model::agent::{Agent, Declared, Limits, Sharing};
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::team::DEFAULT_TEAM;
use retinue_model::{AgentId, Result, Slug};
use retinue_store::agent as rows;
use retinue_store::{Batch, System};

use crate::App;
use crate::audit::Note;

/// The id of a declared agent: the same for the same slug, wherever it is declared.
#[must_use]
pub fn id_of_slug(slug: &str) -> AgentId {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new().chain_update("retinue agent ").chain_update(slug).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // RFC 9562, section 5.8: a UUID of our own making.
    AgentId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The agent that is there when none was declared.
#[must_use]
pub fn default_assistant() -> Declared {
    Declared {
        slug: Slug::of_name("assistant", "assistant"),
        name: "Assistant".to_owned(),
        description: "Answers questions and helps with text and code.".to_owned(),
        instructions:
            "You are a helpful assistant. Answer in the language you are asked in, in Markdown. Be exact and \
            brief; say so when you do not know."
                .to_owned(),
        model: None,
        limits: Limits::default(),
        remote_api: false,
    }
}

/// Makes the agents of the configuration what it says, in its order, and deletes those that it does not name any more. They
/// belong to the default team, and everybody uses them. Call it once, before requests are served.
///
/// # Errors
/// What keeps that from being written.
pub async fn declare(app: &App) -> Result<()> {
    let (system, tenant) = (System::at_start(), app.tenant());
    let known = rows::declared(&system, &tenant, &app.store).await?;
    let mut batch = Batch::default();
    for (place, declared) in (1_i64..).zip(app.catalog.agents()) {
        let id = id_of_slug(declared.slug.as_str());
        let before = match known.iter().find(|agent| agent.id == id) {
            Some(known) => Some(known.clone()),
            None => rows::get_kept(&system, &tenant, &app.store, id).await?,
        };
        let now = as_declared(app, id, declared, before.as_ref());
        match before {
            None => {
                rows::insert_with(&tenant, &mut batch, &now, Some(place));
                note(app, Told::AgentCreated, &now).write(&tenant, &mut batch);
            }
            Some(before) => {
                rows::declare_with(&system, &mut batch, &tenant, (&now, place));
                if before.version != now.version {
                    note(app, Told::AgentChanged, &now).with("version", now.version).write(&tenant, &mut batch);
                }
            }
        }
    }
    for gone in known
        .iter()
        .filter(|agent| app.catalog.agents().iter().all(|named| id_of_slug(named.slug.as_str()) != agent.id))
    {
        rows::retire_with(&system, &mut batch, &tenant, (gone.id, app.now()));
        note(app, Told::AgentDeleted, gone).write(&tenant, &mut batch);
    }
    app.store.write_patiently(batch).await
}

fn note(app: &App, action: Told, agent: &Agent) -> Note {
    let note = app.note((Actor::System, "configuration"), action).on("agent", agent.id).of_team(agent.team_id);
    note.with("name", agent.name.clone()).with("slug", agent.slug.as_str())
}

/// The agent that the configuration means, with a version of its own if it says something new.
fn as_declared(app: &App, id: AgentId, declared: &Declared, before: Option<&Agent>) -> Agent {
    let now = app.now();
    let Declared { slug, name, description, instructions, model, limits, remote_api } = declared.clone();
    let agent = Agent {
        id,
        team_id: before.map_or(DEFAULT_TEAM, |before| before.team_id),
        maker_id: None,
        slug,
        version: before.map_or(1, |before| before.version),
        name,
        description,
        instructions,
        model,
        limits,
        sharing: Sharing::Organization,
        remote_api,
        declared: true,
        created_at: before.map_or(now, |before| before.created_at),
        updated_at: before.map_or(now, |before| before.updated_at),
    };
    match before {
        Some(before) if !says_the_same(before, &agent) => {
            Agent { version: agent.version + 1, updated_at: now, ..agent }
        }
        _ => agent,
    }
}

fn says_the_same(a: &Agent, b: &Agent) -> bool {
    let said = |agent: &Agent| (agent.name.clone(), agent.description.clone(), agent.instructions.clone());
    let bounds = |agent: &Agent| (agent.model.clone(), agent.limits, agent.remote_api);
    said(a) == said(b) && bounds(a) == bounds(b)
}
