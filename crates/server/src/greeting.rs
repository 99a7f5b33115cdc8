//! What is said at the start: where, how, with which models, and what to set next.

use retinue_app::{App, provider};
use retinue_model::provider::{Model, Origin};

use crate::auth::Mode;
use crate::config::Config;
use crate::wiring;

/// Names listed before "and N more".
const NAMES: usize = 5;

/// The first lines, before models were looked for.
pub(crate) fn opening(config: &Config, address: &str, engine: &str) -> String {
    let place = if config.database.url.expose().is_empty() {
        format!("{engine}, in {}", config.data.dir.display())
    } else {
        engine.to_owned()
    };
    let mode = match config.auth.mode {
        Mode::SingleUser if config.auth.single_user.allow_remote => "single-user, open to everybody who reaches it",
        Mode::SingleUser => "single-user",
        Mode::Oidc if config.takes_addresses() => "people sign in at an identity provider, or with an address",
        Mode::Oidc => "people sign in at an identity provider",
        Mode::Local => "people sign in with an address",
    };
    format!("Retinue {}\n\n  Open      {address}\n  Mode      {mode}\n  Data      {place}\n", env!("CARGO_PKG_VERSION"))
}

/// The lines of the link for the first administrator.
pub(crate) fn set_up(link: &str) -> String {
    format!("  Set up    {link}\n            Nobody can sign in yet: make the first account within 24 hours.\n")
}

/// The lines about models, once they were looked for.
pub(crate) fn models(app: &App, config: &Config) -> String {
    let ctx = app.local_context("start".into());
    let models = provider::list(&ctx);
    let mut lines = Vec::new();
    for state in provider::sources(&ctx) {
        if let Some(Err(failure)) = state.answer.as_ref().filter(|_| state.source.expected) {
            lines.push(format!("  Problem   {}\n", failure.message));
        }
    }
    if models.iter().any(|model| model.origin != Origin::BuiltIn) {
        lines.push(format!("  Models    {}\n", names(&models)));
    } else if lines.is_empty() {
        lines.push("  Models    none, so the built-in echo model repeats what you say\n".to_owned());
        lines.push("\nTo talk to a real model:\n".to_owned());
        lines.extend(wiring::advice(config).iter().map(|line| format!("  - {}\n", line.replace('`', ""))));
    }
    lines.concat()
}

fn names(models: &[Model]) -> String {
    let named: Vec<&str> = models.iter().take(NAMES).map(|model| model.name.as_str()).collect();
    match models.len().checked_sub(NAMES).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", named.join(", ")),
        None => named.join(", "),
    }
}
