//! Settings: what the configuration says, and that it says something else than when the server last started.

use std::collections::BTreeMap;

use retinue_model::Result;
use retinue_model::audit::{Action as Told, Actor};
use retinue_store::setting as rows;
use retinue_store::{Batch, System};

use crate::App;

/// The most that is told of a value, in characters.
const MOST_TOLD: usize = 1_000;

/// Tells in the trail what is set in another way than when the server last started, with what it was, and keeps what is set
/// now. The first time there is nothing to compare with. Secrets must not be among the values. Call it once, at start.
///
/// # Errors
/// What keeps that from being written.
pub async fn declare(app: &App, mut now: BTreeMap<String, String>) -> Result<()> {
    let (system, tenant) = (System::at_start(), app.tenant());
    let known = rows::list(&system, &tenant, &app.store).await?;
    let is_first = known.is_empty();
    let mut batch = Batch::default();
    let mut change = |name: String, before: Option<String>, now: Option<String>| {
        if before == now {
            return;
        }
        if !is_first {
            let note = app.note((Actor::System, "configuration"), Told::SettingChanged).on("setting", &name);
            let (before, now) = (before.as_deref().map(told), now.as_deref().map(told));
            note.with("value_before", before).with("value", now).write(&tenant, &mut batch);
        }
        rows::put_with(&system, &mut batch, &tenant, (name, now));
    };
    for (name, before) in known {
        let now = now.remove(&name);
        change(name, Some(before), now);
    }
    for (name, value) in now {
        change(name, None, Some(value));
    }
    app.store.write_patiently(batch).await
}

fn told(value: &str) -> String {
    match value.char_indices().nth(MOST_TOLD) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
