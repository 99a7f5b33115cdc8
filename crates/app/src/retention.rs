//! How long the audit trail is kept: what is older is let go of, from the beginning, once a day, and the trail tells it.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::{Error, Result};
use retinue_store::audit as rows;
use retinue_store::{Batch, System, Tenant};

use crate::App;

/// How often it is looked whether there is something to let go of.
const EVERY: Duration = Duration::from_hours(1);
/// Rows that are deleted at once: others who write wait for no more than these.
const AT_ONCE: i64 = 500;

/// Sees to it, until the program stops.
pub async fn keep(app: App) {
    if app.settings.audit_lasts.is_none() {
        return;
    }
    loop {
        if let Err(error) = let_go(&app).await {
            tracing::warn!(?error, "can_fail(audit): the oldest part of the audit trail was not let go of");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = app.stopped() => return,
        }
    }
}

/// Lets go of what is older than the trail is kept; how many events that were.
///
/// # Errors
/// What keeps that from being written. What was written until then stays so, and the rest is for the next time.
pub async fn let_go(app: &App) -> Result<i64> {
    let Some(lasts) = app.settings.audit_lasts else { return Ok(0) };
    let (system, before) = (System::in_background(), day_of(app.now(), lasts)?);
    let mut events = 0;
    for tenant in rows::organizations(&system, &app.store).await? {
        events += let_go_of(app, &tenant, before).await?;
        // Whoever stops the program does not wait for it: the next start goes on.
        while !app.stopping.is_cancelled() && rows::has_left(&system, &app.store, &tenant).await? {
            let mut batch = Batch::default();
            rows::delete_with(&system, &mut batch, &tenant, AT_ONCE);
            app.store.write(batch).await?;
        }
    }
    Ok(events)
}

/// The beginning of the day, of UTC, on which something was that is as old as that now. So there is one cut a day.
fn day_of(now: Timestamp, lasts: SignedDuration) -> Result<Timestamp> {
    // Before the first of all times there is nothing.
    let oldest = now.saturating_sub(lasts).map_err(Error::internal)?.max(Timestamp::UNIX_EPOCH);
    let day = oldest.to_zoned(TimeZone::UTC).with().time(Time::midnight()).build();
    day.map(|day| day.timestamp()).map_err(Error::internal)
}

async fn let_go_of(app: &App, tenant: &Tenant, before: Timestamp) -> Result<i64> {
    let system = System::in_background();
    let Some(what) = rows::oldest(&system, &app.store, tenant, before).await? else { return Ok(0) };
    let note = app.note((Actor::System, "retention"), Told::AuditForgotten).on("audit_event", what.through);
    let note = note.with("events", what.events()).with("from", what.from.to_string());
    let mut batch = Batch::default();
    let event = note.with("until", what.until.to_string()).into_event();
    rows::let_go_with(&system, &mut batch, tenant, (&what, event));
    // It holds the end of the trail from its beginning on, and waits for nothing else.
    match app.store.write_alone(batch).await {
        // Somebody else did.
        Err(error) if error.code() == "audit_moved" => Ok(0),
        written => written.map(|()| what.events()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_let_go_of_whole() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let day = |now: &str, days: i64| day_of(at(now), SignedDuration::from_hours(24 * days)).unwrap();
        assert_eq!(day("2027-03-02T00:00:00Z", 1), at("2027-03-01T00:00:00Z"));
        assert_eq!(day("2027-03-02T23:59:59.999999Z", 1), at("2027-03-01T00:00:00Z"));
        assert_eq!(day("2027-03-02T12:00:00Z", 36_500), at("1970-01-01T00:00:00Z"));
    }
}
