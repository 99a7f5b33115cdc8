//! The part of an agent's page that is about what the agent was before.

use std::collections::HashMap;

use retinue_app::agent::{self, Version};
use retinue_app::{Context, user};
use retinue_model::agent::{Agent, Limits};
use retinue_model::{Result, UserId};

use super::turn::grouped;
use crate::when::When;

/// Versions on one page.
const VERSIONS: usize = 20;

/// What an agent is and was, the newest version first, and where the list goes on.
pub(super) struct Versions {
    pub(super) list: Vec<VersionView>,
    pub(super) next_href: Option<String>,
}

/// One of them.
pub(super) struct VersionView {
    pub(super) number: i64,
    pub(super) is_current: bool,
    pub(super) by: String,
    pub(super) since: When,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) model: String,
    pub(super) limits: String,
    pub(super) instructions: String,
}

fn bounds(limits: Limits) -> String {
    let one = |limit: Option<u32>, words: &str| limit.map(|limit| format!("{} {words}", grouped(limit.into())));
    let all =
        [one(limits.turns, "questions"), one(limits.tokens, "tokens"), one(limits.seconds, "seconds")].into_iter();
    let all: Vec<_> = all.flatten().collect();
    if all.is_empty() { "the server’s own".to_owned() } else { all.join(", ") }
}

fn view(ctx: &Context, version: Version, (current, names): (i64, &HashMap<UserId, String>)) -> VersionView {
    VersionView {
        number: version.version,
        is_current: version.version == current,
        by: match version.changed_by {
            Some(id) => names.get(&id).cloned().unwrap_or_else(|| "somebody who is gone".to_owned()),
            None => "whoever runs this server".to_owned(),
        },
        since: When::new(version.created_at, ctx.now()),
        name: version.name,
        description: version.description,
        model: version.model.unwrap_or_else(|| "the default one".to_owned()),
        limits: bounds(version.limits),
        instructions: version.instructions,
    }
}

/// Those before one of them, for whoever may change the agent.
pub(super) async fn load(ctx: &Context, agent: &Agent, before: Option<i64>) -> Result<Versions> {
    let mut found = agent::versions(ctx, agent.id, before, VERSIONS + 1).await?;
    let has_more = found.len() > VERSIONS;
    found.truncate(VERSIONS);
    let names = user::changers(ctx, &found).await?;
    let last = found.last().filter(|_| has_more).map(|last| last.version);
    Ok(Versions {
        next_href: last.map(|version| format!("/agents/{}?before={version}#versions", agent.id)),
        list: found.into_iter().map(|version| view(ctx, version, (agent.version, &names))).collect(),
    })
}
