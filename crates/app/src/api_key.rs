//! API keys: what a program shows to act for whoever made it.
//!
//! A key never may more than its owner may at this moment, and no more than its scopes say.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::digest;
use jiff::{SignedDuration, Timestamp};
use retinue_model::api_key::{ApiKey, KeyScopes, KeyText};
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::error::Kind;
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::{ApiKeyId, Error, Name, Principal, Result, TeamId, UserId};
use retinue_store::api_key as rows;
use retinue_store::api_key::{Bounds, Place};
use retinue_store::{Batch, Store, System, TeamScope, Tenant};

use crate::access::{self, Thing};
use crate::audit::Note;
use crate::key_cache::{KeyHash, KnownKey};
use crate::policy::Action;
use crate::{App, Context, Rng, Visit, admin, cursor, session, user};

/// Keys of one user that count, at most.
const MOST: i64 = 100;
/// Keys that one user makes within [`MADE_WITHIN`], at most, whatever becomes of them: each stays in a list, and in the trail.
const MOST_MADE: i64 = 60;
/// An hour.
const MADE_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// How exactly it is written down when a key was last used, in seconds.
const NOTE_EVERY: i64 = 60;

/// What is said of a new key.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The team that it acts in.
    pub team_id: TeamId,
    /// What its owner calls it.
    pub name: Name,
    /// What it may be used for.
    pub scopes: KeyScopes,
    /// Until when it counts; none if until it is revoked.
    pub expires_at: Option<Timestamp>,
}

/// A new key: its text is told now, and never again.
#[derive(Debug)]
pub struct Made {
    /// What is kept of it.
    pub key: ApiKey,
    /// The key itself.
    pub text: KeyText,
}

/// Some keys of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The keys, the newest first.
    pub keys: Vec<ApiKey>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

fn disabled() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "credential_kind_disabled",
        "This server takes no API keys: `remote_api.auth.api_key.enabled` is false.",
    )
}

/// One text for whatever is wrong with a key: whoever shows it need not know.
fn hash(text: &KeyText) -> KeyHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.expose().as_bytes()).as_ref());
    hash
}

/// Makes a key for whoever asks.
///
/// # Errors
/// `keys_disabled`, `not_found` for the team, `role_too_low`, `expires_in_the_past`, `api_key_refused`, `too_many_keys`.
pub async fn create(ctx: &Context, new: NewKey) -> Result<Made> {
    if !ctx.auth.takes_keys {
        return Err(Error::new(
            Kind::Forbidden,
            "keys_disabled",
            "This server takes no API keys, so none is made. Whoever runs it can turn them on.",
        ));
    }
    let grant = access::require_of_team(ctx, Action::KeyCreate, new.team_id).await?;
    let made = make(new, (ctx.new_id(), ctx.principal().user_id()), (&*ctx.rng, ctx.now()))?;
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        grant.hold_with(&ctx, &mut batch);
        insert_with(&ctx.tenant(), &mut batch, &made, ctx.note(Told::ApiKeyCreated));
        if let Err(error) = ctx.store.write(batch).await {
            return Err(explain((&ctx.tenant(), &ctx.store), &made.key, error).await);
        }
        Ok(made)
    })
    .await
}

fn since(now: Timestamp) -> Timestamp {
    now.saturating_sub(MADE_WITHIN).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Why no key was made: if its owner made too many a moment ago, until when there is none.
pub(crate) async fn explain((tenant, store): (&Tenant, &Store), key: &ApiKey, error: Error) -> Error {
    if error.code() != "api_key_refused" {
        return error;
    }
    match rows::made_since(tenant, store, key.user_id, since(key.created_at)).await {
        Ok((count, Some(first))) if count >= MOST_MADE => {
            let wait = (first.saturating_add(MADE_WITHIN).unwrap_or(first)).duration_since(key.created_at);
            let wait = Duration::try_from(wait).unwrap_or_default().max(Duration::from_secs(1));
            let said =
                "60 API keys were made for this user within an hour, which is the most. Make the next one later.";
            Error::too_many("too_many_keys", said, wait)
        }
        _ => error,
    }
}

/// A key of somebody's that is not written down yet.
pub(crate) fn make(new: NewKey, (id, user_id): (ApiKeyId, UserId), (rng, now): (&dyn Rng, Timestamp)) -> Result<Made> {
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("expires_in_the_past", "Choose a time in the future for the key’s end, or none."));
    }
    let mut bits = [0; 32];
    rng.fill(&mut bits);
    let text = KeyText::of_bits(bits);
    let key = ApiKey {
        id,
        organization_id: DEFAULT_ORGANIZATION,
        user_id,
        team_id: new.team_id,
        name: new.name.into(),
        prefix: text.shown().to_owned(),
        scopes: new.scopes,
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    Ok(Made { key, text })
}

/// Adds a key, and what is told of it, when the batch is written.
pub(crate) fn insert_with(tenant: &Tenant, batch: &mut Batch, made: &Made, note: Note) {
    let Made { key, text } = made;
    let bounds = Bounds { most: MOST, most_made: (since(key.created_at), MOST_MADE) };
    rows::insert_with(tenant, batch, key, (hash(text), bounds));
    let note = note.on("api_key", key.id).of_team(key.team_id).about(key.user_id);
    let note = note.with("name", key.name.clone()).with("scopes", key.scopes.to_string());
    note.with("expires_at", key.expires_at.map(|at| at.to_string())).write(tenant, batch);
}

/// One's own keys.
///
/// # Errors
/// `invalid_cursor`.
pub async fn list(ctx: &Context, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let after = cursor.map_or(Ok(Place::first()), cursor::to_key)?;
    Ok(page(rows::list(&ctx.scope(), &ctx.store, after, cursor::one_more(limit)).await?, limit))
}

/// The keys that act in a team, for those who run it.
///
/// # Errors
/// `not_found`, `role_too_low`, `invalid_cursor`.
pub async fn list_of_team(ctx: &Context, team: TeamId, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let scope: TeamScope = access::require_of_team(ctx, Action::KeyReadOfTeam, team).await?.team()?;
    let after = cursor.map_or(Ok(Place::first()), cursor::to_key)?;
    Ok(page(rows::of_team(&scope, &ctx.store, after, cursor::one_more(limit)).await?, limit))
}

/// What those are called whose keys act in a team, for whoever may read the keys.
///
/// # Errors
/// What keeps the table from being read.
pub async fn owners(ctx: &Context, keys: &[ApiKey]) -> Result<HashMap<UserId, String>> {
    user::names_of(ctx, keys.iter().map(|key| key.user_id)).await
}

fn page(mut keys: Vec<ApiKey>, limit: usize) -> Page {
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    let place = |last: &ApiKey| cursor::of_key(Place { created_at: last.created_at, id: last.id });
    let next_cursor = keys.last().filter(|_| has_more).map(place);
    Page { keys, next_cursor }
}

/// Revokes a key, at once: one's own, one of a team that one runs, or anybody's for those who run the installation.
///
/// # Errors
/// `not_found`.
pub async fn revoke(ctx: &Context, id: ApiKeyId) -> Result<()> {
    let key = rows::get(&ctx.tenant(), &ctx.store, id).await?.ok_or_else(rows::missing)?;
    let thing = Thing { team: Some(key.team_id), of: Some(key.user_id), ..Thing::default() };
    let grant = access::require(ctx, Action::KeyRevoke, thing, rows::missing).await?;
    if key.revoked_at.is_some() {
        return Ok(());
    }
    ctx.detached(move |ctx| async move {
        let mut batch = Batch::default();
        grant.hold_with(&ctx, &mut batch);
        rows::revoke_with(&ctx.tenant(), &mut batch, (id, key.user_id), ctx.now());
        let note = ctx.note(Told::ApiKeyRevoked).on("api_key", id).of_team(key.team_id).about(key.user_id);
        note.with("name", key.name).write(&ctx.tenant(), &mut batch);
        let told = session::revoke_with(ctx.app(), &mut batch, key.user_id, None);
        match ctx.store.write(batch).await {
            // Somebody else did at this moment, and that is told once.
            Err(error) if rows::is_revoked(&error) => session::look_again(ctx.app(), key.user_id).await,
            written => {
                written?;
                session::look_after(ctx.app(), key.user_id, told).await;
            }
        }
        Ok(())
    })
    .await
}

impl Visit {
    /// Who this is, by the API key that a program shows. A malformed one costs no query.
    ///
    /// # Errors
    /// `credential_kind_disabled`, `invalid_api_key`.
    pub async fn authenticate_key(self, text: &str) -> Result<Context> {
        if !self.auth.takes_keys {
            return Err(self.refuse_shown("api_key", disabled()).await);
        }
        let Some(text) = KeyText::parse(text) else {
            self.tell_not_taken("api_key", "key_malformed").await;
            return Err(rows::invalid());
        };
        let hash = hash(&text);
        let now = self.now();
        let known = match self.api_keys.get(&hash, now).filter(|_| self.sessions.is_heard()) {
            Some(known) => known,
            None => match load(self.app(), hash).await? {
                Loaded::Counts(known) => known,
                Loaded::Refused(found) => return Err(self.refuse_key(found.as_deref()).await),
            },
        };
        if known.has_ended() || known.is_over(now) {
            let found = rows::find(&self.tenant(), &self.store, hash).await.ok().flatten();
            return Err(self.refuse_key(found.as_ref()).await);
        }
        note_use(self.app(), &known, now);
        Ok(self.known_by_key(known))
    }

    /// Tells in the trail that a credential of a program was refused for how it was shown, or for its kind. Nothing is looked up.
    pub async fn refuse_shown(&self, via: &'static str, error: Error) -> Error {
        self.tell_not_taken(via, error.code()).await;
        error
    }

    async fn tell_not_taken(&self, via: &'static str, reason: &'static str) {
        if let Some(left_out) = self.admits(reason) {
            let note = self.note((Actor::Stranger, via), Told::CredentialRefused).refused(reason);
            self.tell_refused(note, left_out).await;
        }
    }

    /// Tells in the trail why a key does not count, within the bound of what strangers can have told; of each that is known
    /// at least once. Whoever shows it hears the same of all.
    async fn refuse_key(&self, found: Option<&rows::Found>) -> Error {
        let reason = match found {
            None => "key_unknown",
            // It ended at this very moment.
            Some(found) => found.refusal(self.auth.comers(), self.now()).unwrap_or("key_revoked"),
        };
        if let Some(left_out) = self.admits_key(reason, found.map(|found| found.key.id)) {
            let note = self.note((Actor::Stranger, "api_key"), Told::CredentialRefused).refused(reason);
            let note = match found {
                Some(rows::Found { key, owner, .. }) => note.on("api_key", key.id).about(owner.id).of_team(key.team_id),
                None => note,
            };
            self.tell_refused(note, left_out).await;
        }
        rows::invalid()
    }
}

/// What was read of a key.
pub(crate) enum Loaded {
    /// It counts.
    Counts(Arc<KnownKey>),
    /// It does not; what is known of it.
    Refused(Option<Box<rows::Found>>),
}

/// Reads a key, and keeps it if it counts.
pub(crate) async fn load(app: &App, hash: KeyHash) -> Result<Loaded> {
    loop {
        let (epoch, read_at) = (app.api_keys.epoch(), app.now());
        let found = rows::find(&app.tenant(), &app.store, hash).await?;
        let Some(rows::Found { key, owner, .. }) =
            found.clone().filter(|found| found.refusal(app.auth.comers(), read_at).is_none())
        else {
            app.api_keys.end(&hash);
            return Ok(Loaded::Refused(found.map(Box::new)));
        };
        let principal = Principal::of_key(&key, admin::is_admin(app, &owner).await?);
        let teams = user::teams_of(app, &principal).await?;
        if let Some(known) = app.api_keys.put(KnownKey::new(hash, (key, owner), (principal, teams), read_at), epoch) {
            return Ok(Loaded::Counts(known));
        }
    }
}

/// Reads a key again, and ends it if it does not count any more.
pub(crate) async fn recheck(app: &App, known: &KnownKey) {
    // What can't be read is not known to be good.
    if known.is_over(app.now()) || !matches!(load(app, known.hash).await, Ok(Loaded::Counts(_))) {
        app.api_keys.end(&known.hash);
    }
}

/// Notes that a key is used, once a minute.
fn note_use(app: &App, known: &KnownKey, now: Timestamp) {
    let seconds = now.as_second();
    let noted_at = known.noted_at.load(Ordering::Relaxed);
    let is_mine = seconds - noted_at >= NOTE_EVERY
        && known.noted_at.compare_exchange(noted_at, seconds, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if is_mine {
        let (app, id) = (app.clone(), known.key.id);
        tokio::spawn(async move {
            let mut batch = Batch::default();
            rows::touch_with(&System::in_background(), &mut batch, id, now);
            if let Err(error) = app.store.write(batch).await {
                tracing::debug!(?error, "can_fail(api_key): when it was last used was not written down");
            }
        });
    }
}
