//! How the commands of whoever has the machine get at the database, beside a server that may be running.

use std::sync::Arc;

use retinue_app::administration::Administration;
use retinue_model::user::User;
use retinue_store::{Store, migrate};

use crate::config::Config;
use crate::system::{SystemClock, SystemRng};
use crate::wiring;

/// What they may do.
pub(crate) async fn open(config: &Config) -> anyhow::Result<Administration> {
    administration(config, open_store(config).await?)
}

/// The same over an open database.
pub(crate) fn administration(config: &Config, store: Store) -> anyhow::Result<Administration> {
    let auth = config.auth.build(config, config.server.listen.0)?;
    Ok(Administration::new(store, auth, Arc::new(SystemClock), Arc::new(SystemRng::new())))
}

/// The database.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    wiring::make_data_folder(config)?;
    let location = wiring::location(config);
    if migrate::current(&location).await? == 0 {
        migrate::up(&Store::open(&location).await?).await?;
    }
    let store = Store::open_beside(&location).await?;
    migrate::check(&store).await?;
    Ok(store)
}

/// A user as sentences name them.
pub(crate) fn called(user: &User) -> String {
    let email = user.email.as_ref().map(|email| format!("{email}, ")).unwrap_or_default();
    format!("{} ({email}{})", user.name, user.id)
}
