//! What to type to try a new key: a conversation with an agent, from its first word to the last event of the answer.

use retinue_app::Context;
use retinue_app::agent;
use retinue_app::api_key::Made;
use retinue_model::Result;
use retinue_model::api_key::KeyScope;

/// What it takes to converse.
const CONVERSING: [KeyScope; 3] = [KeyScope::ThreadsRead, KeyScope::ThreadsWrite, KeyScope::AgentsRun];

/// A command for a shell, with the key in it.
pub(super) async fn command(ctx: &Context, made: &Made) -> Result<String> {
    let (key, url) = (made.text.expose(), &ctx.app().auth().public_url);
    if !CONVERSING.iter().all(|scope| made.key.scopes.has(*scope)) {
        return Ok(format!("curl -fsS {url}/auth/me -H 'Authorization: Bearer {key}'"));
    }
    let agents = agent::offered(ctx).await?;
    let of_team = agents.iter().find(|agent| agent.team_id == made.key.team_id);
    let new = of_team.map_or_else(|| "{}".to_owned(), |agent| format!("{{\"agent_id\":\"{}\"}}", agent.id));
    let post = "-H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' -d";
    let id = |prefix: &str| format!("sed 's/.*\"id\":\"\\({prefix}_[^\"]*\\)\".*/\\1/'");
    Ok(format!(
        "KEY={key}\n\
         THREAD=$(curl -fsS {url}/api/threads {post} '{new}' | {})\n\
         RUN=$(curl -fsS {url}/api/threads/$THREAD/runs {post} '{{\"input\":\"Say hello.\"}}' | {})\n\
         curl -fsSN {url}/api/runs/$RUN/events -H \"Authorization: Bearer $KEY\"",
        id("thr"),
        id("run"),
    ))
}
