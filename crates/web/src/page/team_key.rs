//! The part of a team's page that is about the keys that act in the team.

use retinue_app::{Context, api_key};
use retinue_model::api_key::ApiKey;
use retinue_model::{Result, TeamId};

use crate::when::When;

/// Keys on one page.
const KEYS: usize = 50;

/// The keys of a team, the newest first, and where the list goes on.
pub(super) struct Keys {
    pub(super) list: Vec<KeyView>,
    pub(super) next_href: Option<String>,
}

/// One of them.
pub(super) struct KeyView {
    pub(super) revoke_action: String,
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) owner: String,
    pub(super) scopes: String,
    pub(super) since: When,
    pub(super) used: Option<When>,
    pub(super) ends: Option<String>,
    pub(super) state: &'static str,
}

fn view(ctx: &Context, key: ApiKey, owner: Option<&String>) -> KeyView {
    let now = ctx.now();
    KeyView {
        state: key.state(now, true).as_str(),
        revoke_action: format!("/api-keys/{}/revoke?team={}", key.id, key.team_id),
        owner: owner.cloned().unwrap_or_else(|| "somebody who is gone".to_owned()),
        scopes: key.scopes.to_string(),
        since: When::new(key.created_at, now),
        used: key.last_used_at.map(|at| When::new(at, now)),
        ends: key.expires_at.map(|at| When::new(at, now).exact),
        name: key.name,
        prefix: key.prefix,
    }
}

/// Those of a team from a place on, for those who run it; none where no key counts.
pub(super) async fn load(ctx: &Context, team: TeamId, cursor: Option<&str>) -> Result<Option<Keys>> {
    if !ctx.app().auth().takes_keys {
        return Ok(None);
    }
    let found = api_key::list_of_team(ctx, team, cursor, KEYS).await?;
    let owners = api_key::owners(ctx, &found.keys).await?;
    let list = found.keys.into_iter().map(|key| {
        let owner = owners.get(&key.user_id);
        view(ctx, key, owner)
    });
    Ok(Some(Keys {
        list: list.collect(),
        next_href: found.next_cursor.map(|cursor| format!("/teams/{team}?keys={cursor}#keys")),
    }))
}
