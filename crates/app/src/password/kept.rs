//! In which ways passwords are kept here: of all who may come in, whoever they are.

use retinue_store::{System, credential};

use crate::App;

/// Learns them, so that a wrong guess costs the same whoever is meant. To be called before anybody is served; it is called
/// again each hour.
pub async fn learn(app: &App) {
    let Some(local) = &app.auth.local else { return };
    match credential::examples(&System::in_background(), &app.store).await {
        Ok(kept) => local.passwords.learn(kept),
        Err(error) => tracing::warn!(?error, "can_fail(password): in which ways passwords are kept is not known"),
    }
}
