//! What rules gave by the word of a provider from which somebody does not come any more: nobody would ever say more of it.

use std::time::Duration;

use retinue_model::{Result, UserId};
use retinue_oidc::Groups;
use retinue_store::membership::by_rule as rows;

use super::{Member, Said, take_over};
use crate::App;

/// How often it is looked for.
const EVERY: Duration = Duration::from_hours(1);
/// How many are looked up at once.
const AT_ONCE: i64 = 100;

/// Takes it back, until the program stops. Whoever removes an identity loses it at that moment: what is left is of those who
/// were the last admin of a team then.
pub async fn keep(app: App) {
    loop {
        if let Err(error) = take_back(&app).await {
            tracing::warn!(
                ?error,
                "can_fail(group_rule): what rules gave people who do not come from there any more stays"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = app.stopped() => return,
        }
    }
}

/// Takes back what nobody speaks for any more; the last admin of a team who may come in stays one.
///
/// # Errors
/// What keeps it from being read. What is not taken back of somebody now is for the next time.
pub async fn take_back(app: &App) -> Result<()> {
    let (tenant, groups) = (app.tenant(), Groups::Known(Vec::new()));
    let mut after = (UserId::new(uuid::Uuid::nil()), String::new());
    while !app.stopping.is_cancelled() {
        let found = rows::left_over(&tenant, &app.store, (after.0, &after.1), AT_ONCE).await?;
        for (user, provider) in &found {
            let said = Said { groups: &groups, by: None, asked_at: app.now() };
            let member = Member { user: *user, provider, said, is_new: false };
            if let Err(error) = take_over(app, member).await {
                tracing::warn!(%user, ?error, "can_fail(group_rule): what a rule gave somebody was not taken back");
            }
        }
        let Some(last) = found.into_iter().last() else { break };
        after = last;
    }
    Ok(())
}
