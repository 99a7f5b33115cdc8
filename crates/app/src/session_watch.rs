//! Watching over sessions, for as long as the program runs: what ended in other processes is heard, what is over by time
//! ends, and what nobody can use any more is deleted.
//!
//! An end that another process wrote is read four times a second, and whom it concerns is looked at once each time. One
//! that was written long after it was dated, or while this process could not read, may be missed by that: so nothing in
//! memory counts for more than a minute, and what a stream holds on to is read again after that time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;
use retinue_model::Result;
use retinue_store::session::{self as rows, Revocation};
use retinue_store::{Batch, System, invitation, one_time_token};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

use crate::password::kept;
use crate::session_cache::KnownSession;
use crate::{App, api_key, refresh, session};

/// How often it is asked what ended elsewhere: that acts within this and the time of the question.
const WATCH: Duration = Duration::from_millis(250);
/// After how many rounds of that everything in memory is looked through.
const LOOK_THROUGH_EVERY: u32 = 4;
/// How many questions about people are under way at once.
const AT_ONCE: usize = 8;
/// How far back is looked, for clocks that differ.
const LOOK_BACK: SignedDuration = SignedDuration::from_secs(60);
/// More than this at once: then everything is looked at again.
const MOST_REVOCATIONS: i64 = 10_000;
/// How many sessions that streams hold on to are read again, at most, each time that everything is looked through.
const READ_AGAIN: usize = 500;
/// How often what nobody can use any more is deleted.
const TIDY_EVERY: Duration = Duration::from_hours(1);
/// How long what is over is kept.
const KEEP: SignedDuration = SignedDuration::from_hours(24);

/// Watches, until the program stops.
pub async fn keep_watch(app: App) {
    if app.auth.is_single_user() {
        return;
    }
    let (mut seen, mut tidied_at, mut round) = (HashSet::new(), None::<Instant>, 0_u32);
    let reading = Arc::default();
    loop {
        watch_once(&app, &mut seen).await;
        round = round.wrapping_add(1);
        if round.is_multiple_of(LOOK_THROUGH_EVERY) {
            look_through(&app, &reading);
        }
        if tidied_at.is_none_or(|at| at.elapsed() > TIDY_EVERY) {
            tidied_at = Some(Instant::now());
            // Beside it: while something is deleted, endings must be heard.
            let app = app.clone();
            tokio::spawn(async move { tidy(&app).await });
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH) => {}
            () = app.stopped() => return,
        }
    }
}

async fn watch_once(app: &App, seen: &mut HashSet<Uuid>) {
    let (asked_at, now) = (Instant::now(), app.now());
    let since = now.saturating_sub(LOOK_BACK).unwrap_or(now);
    // Each of these is written down already: it is among what is read.
    let looked = app.sessions.take_looked();
    let revoked = match rows::revoked_since(&System::in_background(), &app.store, since, MOST_REVOCATIONS).await {
        Ok(revoked) => revoked,
        Err(error) => {
            tracing::debug!(?error, "can_fail(session): what ended elsewhere could not be read");
            seen.extend(looked);
            return;
        }
    };
    if may_lack_some(&revoked, seen, MOST_REVOCATIONS) {
        let all = stream::iter(app.sessions.all());
        all.for_each_concurrent(AT_ONCE, async |known| session::recheck(app, &known).await).await;
        let keys = stream::iter(app.api_keys.all());
        keys.for_each_concurrent(AT_ONCE, async |known| api_key::recheck(app, &known).await).await;
    }
    let mut people = HashSet::new();
    for revocation in revoked.iter().filter(|one| !seen.contains(&one.id) && !looked.contains(&one.id)) {
        match revocation.session {
            Some(id) => app.sessions.end(id),
            None => _ = people.insert(revocation.user),
        }
    }
    stream::iter(people).for_each_concurrent(AT_ONCE, |user| session::look_again(app, user)).await;
    *seen = revoked.into_iter().map(|revocation| revocation.id).collect();
    app.sessions.heard(asked_at);
}

/// Whether there may be more that was not there before than these, of which the newest come first and `most` are read: not if
/// the oldest one was there.
fn may_lack_some(revoked: &[Revocation], seen: &HashSet<Uuid>, most: i64) -> bool {
    let is_full = i64::try_from(revoked.len()).unwrap_or(i64::MAX) >= most;
    is_full && revoked.last().is_some_and(|oldest| !seen.contains(&oldest.id))
}

/// Ends what is over by time, and sees to what only streams use. Whoever is `reading` what is old goes on: while the
/// database is slow nobody else begins.
fn look_through(app: &App, reading: &Arc<Mutex<()>>) {
    let now = app.now();
    let mut held = Vec::new();
    for known in app.sessions.all() {
        if session::is_over(app, &known, now) {
            app.sessions.end(known.session.id);
        } else if known.is_held(2) {
            // Besides the cache and this one, something holds on to it.
            held.push(known);
        }
    }
    let old: Vec<_> = held.iter().filter(|known| known.is_old(now)).take(READ_AGAIN).cloned().collect();
    if let (false, Ok(turn)) = (old.is_empty(), Arc::clone(reading).try_lock_owned()) {
        tokio::spawn(read_again(app.clone(), old, turn));
    }
    for known in held {
        refresh::beside_streams(app, known, now);
    }
    for known in app.api_keys.to_look_at(now).into_iter().take(READ_AGAIN) {
        let app = app.clone();
        tokio::spawn(async move { api_key::recheck(&app, &known).await });
    }
}

/// Reads what is old again. While that can't be done nobody is signed out for it: an end that is heard still counts.
async fn read_again(app: App, old: Vec<Arc<KnownSession>>, _turn: OwnedMutexGuard<()>) {
    for known in old {
        if let Err(error) = session::load(&app, known.session.id, known.session.user_id).await {
            tracing::debug!(?error, "can_fail(session): a session could not be read again");
            return;
        }
    }
}

async fn tidy(app: &App) {
    kept::learn(app).await;
    if let Err(error) = forget(app).await {
        tracing::debug!(?error, "can_fail(session): what is over was not deleted");
    }
}

/// Deletes all that is over, however much people signed in or strangers had written, some at a time.
async fn forget(app: &App) -> Result<()> {
    let (system, now) = (System::in_background(), app.now());
    let mut batch = Batch::default();
    retinue_store::logout_token::forget_with(&system, &mut batch, now);
    app.store.write(batch).await?;
    let before = now.saturating_sub(KEEP).unwrap_or(now);
    while rows::has_old(&system, &app.store, before).await? {
        let mut batch = Batch::default();
        rows::delete_old_with(&system, &mut batch, before);
        app.store.write(batch).await?;
    }
    while one_time_token::has_expired(&system, &app.store, now).await? {
        let mut batch = Batch::default();
        one_time_token::delete_expired_with(&system, &mut batch, now);
        app.store.write(batch).await?;
    }
    while invitation::has_expired(&system, &app.store, now).await? {
        let mut batch = Batch::default();
        invitation::delete_expired_with(&system, &mut batch, now);
        app.store.write(batch).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use retinue_model::UserId;

    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn what_is_read_is_all_there_is_if_the_oldest_was_there_before() {
        let lacks = |numbers: &[u128], seen: &[u128]| {
            let one = |number: &u128| Revocation { id: id(*number), user: UserId::new(id(1)), session: None };
            let revoked: Vec<_> = numbers.iter().map(one).collect();
            may_lack_some(&revoked, &seen.iter().map(|number| id(*number)).collect(), 3)
        };
        assert!(!lacks(&[], &[]) && !lacks(&[9, 8], &[]), "there is room for more");
        assert!(lacks(&[9, 8, 7], &[]), "it began with many");
        assert!(lacks(&[9, 8, 7], &[6, 5, 4]));
        assert!(!lacks(&[9, 8, 7], &[7, 6, 5]));
        // What was dated late stands before what was there already.
        assert!(lacks(&[9, 8, 7], &[9]) && lacks(&[9, 8, 7], &[8, 6]));
    }
}
