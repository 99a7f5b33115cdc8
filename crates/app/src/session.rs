//! Sessions: who a browser belongs to. Opened at sign-in, looked up with each request, ended by people, providers and time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::error::Kind;
use retinue_model::one_time_token::Purpose;
use retinue_model::principal::Via;
use retinue_model::session::{Method, Session};
use retinue_model::user::User;
use retinue_model::{Email, Error, IdentityId, Principal, Result, SessionId, UserId};
pub(crate) use retinue_store::session::over;
use retinue_store::session::{self as rows, Kept, Revocation};
use retinue_store::{Batch, System, one_time_token, user as users};
use uuid::Uuid;

use crate::device::DeviceCookie;
use crate::session_cache::KnownSession;
use crate::session_token::SessionToken;
use crate::{App, Context, Visit, admin, api_key, refresh, run, user};

/// How exactly it is written down when a session was last used, in seconds.
const NOTE_EVERY: i64 = 60;
/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without a request.
    pub idle: SignedDuration,
    /// In all.
    pub absolute: SignedDuration,
}

/// How somebody signed in.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) id: SessionId,
    pub(crate) method: Method,
    pub(crate) identity: Option<IdentityId>,
    /// The provider's name; none if by address.
    pub(crate) provider: Option<String>,
    pub(crate) proved_at: Option<Timestamp>,
    /// The address that they came in by, where the browser is to be recognised from then on.
    pub(crate) address: Option<Email>,
    pub(crate) kept: Kept,
}

impl SignedIn {
    /// By an address, at this moment.
    pub(crate) fn by(visit: &Visit, method: Method, address: &Email) -> Self {
        Self {
            id: visit.new_id(),
            method,
            identity: None,
            provider: None,
            proved_at: Some(visit.now()),
            address: Some(address.clone()),
            kept: Kept::default(),
        }
    }
}

/// A session that was opened.
pub struct Opened {
    /// What the browser's cookie says.
    pub cookie: String,
    /// For how long the browser should keep it.
    pub lasts: SignedDuration,
    /// What the browser is recognised by from now on, if somebody came in by address.
    pub device: Option<DeviceCookie>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

/// Opens a session when the batch is written; the batch is refused if the user was shut out meanwhile.
pub(crate) fn open_with(visit: &Visit, batch: &mut Batch, user: &User, how: SignedIn) -> Result<Opened> {
    let (now, limits) = (visit.now(), visit.auth.sessions);
    let session = Session {
        id: how.id,
        organization_id: user.organization_id,
        user_id: user.id,
        identity_id: how.identity,
        method: how.method,
        user_agent: visit.caller().user_agent.clone(),
        address: visit.caller().address_text(),
        proved_at: how.proved_at,
        created_at: now,
        last_seen_at: now,
        expires_at: now.saturating_add(limits.absolute).map_err(Error::internal)?,
    };
    users::require_enabled_with(&visit.tenant(), batch, user.id);
    rows::insert_with(&visit.tenant(), batch, &session, how.kept);
    rows::end_oldest_with(&visit.tenant(), batch, (user.id, session.id), now);
    let note = visit.note_of(user.id, how.method, Told::SignedIn).on("session", session.id);
    note.with("provider", how.provider).write(&visit.tenant(), batch);
    let token = SessionToken { session: session.id, user: user.id, expires_at: session.expires_at };
    let cookie = token.sign(&visit.keys(), now).ok_or_else(|| Error::internal("there is no key"))?;
    let device = how.address.map(|address| visit.recognise(&address)).transpose()?;
    Ok(Opened { cookie, lasts: limits.absolute, device })
}

/// Ends the session that the browser had: a new one took its place.
pub(crate) async fn replace(current: Option<&Context>) {
    let Some((ctx, id)) = current.and_then(|ctx| Some((ctx, self::current(ctx)?))) else { return };
    if let Err(error) = end(ctx, id).await {
        tracing::warn!(?error, "can_fail(session): the session before could not be ended");
    }
}

fn not_signed_in() -> Error {
    Error::new(Kind::Unauthenticated, "not_signed_in", "You are not signed in. Sign in, then try again.")
}

impl Visit {
    /// Who this is, by what the browser's cookie says.
    ///
    /// # Errors
    /// `not_signed_in` without a cookie, `session_ended` if it does not count.
    pub async fn authenticate(self, cookie: Option<&str>) -> Result<Context> {
        let Some(cookie) = cookie else { return Err(not_signed_in()) };
        let now = self.now();
        let token = self.keys().check_token(cookie, now).ok_or_else(over)?;
        let kept = self.sessions.get(token.session, now);
        let known = match &kept {
            Some(known) => Arc::clone(known),
            None => load(self.app(), token.session, token.user).await?.ok_or_else(over)?,
        };
        if known.session.user_id != token.user || known.has_ended() || is_over(self.app(), &known, now) {
            return Err(over());
        }
        let known = refresh::when_due(self.app(), known, now).await?;
        // A key that was dropped meanwhile ended what was in memory by then: what was read since is looked at once more.
        if !kept.is_some_and(|kept| Arc::ptr_eq(&kept, &known)) {
            self.keys().check_token(cookie, now).ok_or_else(over)?;
        }
        note_use(self.app(), &known, now);
        Ok(self.known_as(known))
    }
}

/// Whether its time is over.
pub(crate) fn is_over(app: &App, known: &KnownSession, now: Timestamp) -> bool {
    let idle = now.as_second() - known.used_at.load(Ordering::Relaxed);
    now >= known.session.expires_at || idle >= app.auth.sessions.idle.as_secs()
}

/// Reads a session, and keeps it.
pub(crate) async fn load(app: &App, id: SessionId, user: UserId) -> Result<Option<Arc<KnownSession>>> {
    let tenant = app.tenant();
    loop {
        let epoch = app.sessions.epoch();
        let read_at = app.now();
        let Some(mut found) = rows::find(&tenant, &app.store, id, user).await? else {
            app.sessions.forget(id);
            return Ok(None);
        };
        if !app.auth.takes(found.session.method, found.identity.as_ref()) {
            shut(app, &found.session).await?;
            return Ok(None);
        }
        let is_admin = admin::is_admin(app, &found.user).await?;
        let principal = Principal::of_session(&found.session, found.identity.take(), is_admin);
        let teams = user::teams_of(app, &principal).await?;
        let known = KnownSession::new(found, (principal, teams), read_at);
        if let Some(known) = app.sessions.put(known, epoch) {
            return Ok(Some(known));
        }
    }
}

/// Ends a session that was begun in a way in which nobody comes in any more.
async fn shut(app: &App, session: &Session) -> Result<()> {
    let mut batch = Batch::default();
    rows::end_for_with(&app.tenant(), &mut batch, (session.user_id, session.id), app.now());
    let note = app.note((Actor::System, "system"), Told::SessionEnded).on("session", session.id);
    note.about(session.user_id).with("why", "way_closed").write(&app.tenant(), &mut batch);
    unless_ended(app.store.write(batch).await)?;
    app.sessions.forget(session.id);
    tracing::info!(user = %session.user_id, session = %session.id, "a session was ended: nobody signs in that way any more");
    Ok(())
}

/// Notes that a session is used: in memory at once, in the table once a minute.
fn note_use(app: &App, known: &KnownSession, now: Timestamp) {
    let seconds = now.as_second();
    known.used_at.fetch_max(seconds, Ordering::Relaxed);
    let noted_at = known.noted_at.load(Ordering::Relaxed);
    let is_mine = seconds - noted_at >= NOTE_EVERY
        && known.noted_at.compare_exchange(noted_at, seconds, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if is_mine {
        let (app, id) = (app.clone(), known.session.id);
        tokio::spawn(async move {
            let mut batch = Batch::default();
            rows::touch_with(&System::in_background(), &mut batch, id, now);
            if let Err(error) = app.store.write(batch).await {
                tracing::debug!(?error, "can_fail(session): when it was last used was not written down");
            }
        });
    }
}

/// One's own sessions, the newest first.
///
/// # Errors
/// What keeps the table from being read.
pub async fn list(ctx: &Context) -> Result<Vec<Session>> {
    let now = ctx.now();
    let seen_after = now.saturating_sub(ctx.auth.sessions.idle).map_err(Error::internal)?;
    rows::list(&ctx.scope(), &ctx.store, now, seen_after).await
}

/// The session that a request came with.
#[must_use]
pub fn current(ctx: &Context) -> Option<SessionId> {
    match ctx.principal().via() {
        Via::Session(id) => Some(id),
        Via::SingleUser | Via::ApiKey(_) => None,
    }
}

/// Requires, when the batch is written, that the session which asks was not ended, and whoever asks is not shut out: who was
/// put out of an account a moment ago changes no way into it any more.
///
/// # Errors
/// `session_ended` where nobody signs in.
pub(crate) fn require_asking_with(ctx: &Context, batch: &mut Batch) -> Result<()> {
    let asking = current(ctx).ok_or_else(over)?;
    users::require_enabled_with(&ctx.tenant(), batch, ctx.principal().user_id());
    rows::require_open_with(&ctx.scope(), batch, asking);
    Ok(())
}

/// Ends one of one's own sessions, at once. One that is over already stays so.
///
/// # Errors
/// `not_found`.
pub async fn end(ctx: &Context, id: SessionId) -> Result<()> {
    // What is nobody's, or over, is not worth a write.
    if rows::has_ended(&ctx.scope(), &ctx.store, id).await? {
        return Ok(());
    }
    ctx.detached(move |ctx| async move {
        let (mut batch, user) = (Batch::default(), ctx.principal().user_id());
        rows::end_with(&ctx.scope(), &mut batch, id, ctx.now());
        ctx.note(Told::SessionEnded).on("session", id).about(user).write(&ctx.tenant(), &mut batch);
        revoke_with(ctx.app(), &mut batch, user, Some(id));
        unless_ended(ctx.store.write(batch).await)?;
        ctx.sessions.end(id);
        tracing::info!(%user, session = %id, request_id = ctx.request_id(), "a session was ended");
        Ok(())
    })
    .await
}

/// What came of ending a session that there was a moment ago: that somebody else has ended it by now is as well, and is told
/// already.
fn unless_ended(written: Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        other => other,
    }
}

/// Ends all of one's own sessions but the one that asks, at once.
///
/// # Errors
/// What keeps that from being written.
pub async fn end_others(ctx: &Context) -> Result<()> {
    ctx.detached(|ctx| async move {
        let mut batch = Batch::default();
        let user = ctx.principal().user_id();
        let told = end_all_with(ctx.app(), &mut batch, user, current(&ctx));
        ctx.note(Told::SessionEnded).about(user).with("which", "others").write(&ctx.tenant(), &mut batch);
        ctx.store.write(batch).await?;
        look_after(ctx.app(), user, told).await;
        Ok(())
    })
    .await
}

/// Ends all sessions of a user but one, with the links to another address that were asked for in them, when the batch is
/// written. Then comes [`look_again`], or [`look_after`] with what this gives: the id under which other processes are told,
/// if a session ends.
pub(crate) fn end_all_with(app: &App, batch: &mut Batch, user: UserId, but: Option<SessionId>) -> Uuid {
    let revocation = Revocation { id: app.new_uuid(), user, session: None };
    rows::revoke_others_with(&app.tenant(), batch, &revocation, (but, app.now()));
    rows::end_others_with(&app.tenant(), batch, user, (but, app.now()));
    one_time_token::close_of_user_with(&app.tenant(), batch, (Purpose::EmailChange, user), (None, app.now()));
    revocation.id
}

/// Ends the session of somebody for whom their provider does not vouch any more, at once.
pub(crate) async fn end_unvouched(app: &App, (user, id): (UserId, SessionId), provider: &str) -> Result<()> {
    let mut batch = Batch::default();
    rows::end_for_with(&app.tenant(), &mut batch, (user, id), app.now());
    let note = app.note((Actor::Provider, "refresh"), Told::SessionEnded).on("session", id);
    note.about(user).with("provider", provider).write(&app.tenant(), &mut batch);
    revoke_with(app, &mut batch, user, Some(id));
    unless_ended(app.store.write(batch).await)?;
    app.sessions.end(id);
    Ok(())
}

/// Tells other processes that a session ended, or else that something of a user is another now, when the batch is written.
/// Gives the id under which they are told.
pub(crate) fn revoke_with(app: &App, batch: &mut Batch, user: UserId, session: Option<SessionId>) -> Uuid {
    let revocation = Revocation { id: app.new_uuid(), user, session };
    rows::revoke_with(&app.tenant(), batch, &revocation, app.now());
    revocation.id
}

/// The same as [`look_again`], after what this process told others was written: it need not hear that from itself.
pub(crate) async fn look_after(app: &App, user: UserId, told: Uuid) {
    look_again(app, user).await;
    // Where nobody signs in nobody watches, and it would be kept for ever.
    if !app.auth.is_single_user() {
        app.sessions.looked(told);
    }
}

/// Reads again what is known of a user, and lets go of what is over.
pub(crate) async fn look_again(app: &App, user: UserId) {
    for known in app.sessions.of_user(user) {
        recheck(app, &known).await;
    }
    for known in app.api_keys.of_user(user) {
        api_key::recheck(app, &known).await;
    }
    run::stop_if_out(app, user).await;
}

/// Reads a session again, and ends it if it is over.
pub(crate) async fn recheck(app: &App, known: &KnownSession) {
    // What can't be read is not known to be good.
    if !matches!(load(app, known.session.id, known.session.user_id).await, Ok(Some(_))) {
        app.sessions.end(known.session.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_not_shown_to_whoever_debugs() {
        let opened = Opened { cookie: "secret".to_owned(), lasts: SignedDuration::from_hours(1), device: None };
        let shown = format!("{opened:?}");
        assert!(shown.contains("Opened") && !shown.contains("secret"), "{shown}");
    }
}
