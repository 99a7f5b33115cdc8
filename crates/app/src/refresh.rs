//! Asking an identity provider whether somebody with a session may still come in: with the refresh token, if it gave one.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::error::Kind;
use retinue_model::identity::Origin;
use retinue_model::{Error, Result, SessionId, UserId};
use retinue_oidc::{Moment, Person, Reason, Refreshed, Tokens};
use retinue_store::refresh::{self as rows, Answered, Claim, Held};
use retinue_store::{Batch, identity as identities, user as users};
use secrecy::{ExposeSecret as _, SecretString};

use crate::flight::Seat;
use crate::group_rule::{self, Member, Said};
use crate::session_cache::KnownSession;
use crate::{App, session};

/// How long whoever asks may take, before somebody else asks.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);
/// When it is tried again after the provider could not tell.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// How long somebody is let in after their provider last said that they may, while it can't tell.
const UNTOLD: SignedDuration = SignedDuration::from_hours(24);

/// What refresh tokens are encrypted for: each for its own session.
pub(crate) fn refresh_purpose(id: SessionId) -> String {
    format!("refresh token of {id}")
}

/// What ID tokens are encrypted for.
pub(crate) fn hint_purpose(id: SessionId) -> String {
    format!("ID token of {id}")
}

/// The session, once its provider was asked if that is due. Of many requests at once one asks, and the others wait for it.
///
/// # Errors
/// `session_ended` if the provider takes it back.
pub(crate) async fn when_due(app: &App, known: Arc<KnownSession>, now: Timestamp) -> Result<Arc<KnownSession>> {
    if known.refresh_at.is_none_or(|at| at > now) {
        return Ok(known);
    }
    let (id, user) = (known.session.id, known.session.user_id);
    let found = match app.flights.board(id) {
        Seat::Passenger(landed) => {
            landed.cancelled().await;
            match app.sessions.get(id, app.now()) {
                Some(known) => Some(known),
                None => session::load(app, id, user).await?,
            }
        }
        Seat::Pilot(flight) => {
            let asking = app.clone();
            // To its end, whoever hangs up: a refresh token counts once.
            let asked = app.tasks.spawn(async move {
                let _flight = flight;
                refresh(&asking, (user, id), now).await?;
                session::load(&asking, id, user).await
            });
            asked.await.map_err(Error::internal)??
        }
    };
    found.ok_or_else(session::over)
}

/// Asks about a session that a stream holds on to, if that is due.
pub(crate) fn beside_streams(app: &App, known: Arc<KnownSession>, now: Timestamp) {
    if known.refresh_at.is_some_and(|at| at <= now) && !app.flights.has(known.session.id) {
        let app = app.clone();
        tokio::spawn(async move {
            if let Err(error) = when_due(&app, known, now).await {
                tracing::debug!(?error, "can_fail(refresh): a session was not refreshed");
            }
        });
    }
}

/// Asks, unless another process does. The session is over afterwards if the provider says so, or could not tell for too
/// long.
async fn refresh(app: &App, (user, session): (UserId, SessionId), now: Timestamp) -> Result<()> {
    let claim = Claim { id: app.new_uuid(), session, user, at: now };
    if !take(app, &claim).await? {
        return Ok(());
    }
    let Some(held) = rows::held(&app.tenant(), &app.store, &claim).await? else { return Ok(()) };
    // What it gives out counts from now on, whatever becomes of the rest: what it was given is spent.
    let (tokens, person, asked_at) = match ask(app, &held, &claim).await {
        Ok((Refreshed { tokens, person }, asked_at)) => (Some(tokens), person, asked_at),
        Err(error) => (None, Err(error), now),
    };
    let Some((again, refreshed_at)) = verdict(app, &held, &claim, &person)? else {
        return session::end_unvouched(app, (user, session), &held.provider).await;
    };
    let (refresh_token, id_token) = sealed(app, session, tokens)?;
    let refresh_at = now.saturating_add(again).unwrap_or(now);
    let mut batch = Batch::default();
    let answered = Answered { refresh_token, id_token, refresh_at, refreshed_at };
    rows::answered_with(&app.tenant(), &mut batch, &claim, answered);
    app.store.write_patiently(batch).await?;
    let Ok(person) = person else { return Ok(()) };
    if let Err(error) = take_over(app, &held, &person, now).await {
        tracing::warn!(%user, ?error, "can_fail(refresh): what a provider says of somebody was not taken over");
    }
    let said = Said { groups: &person.groups, by: Some(held.identity), asked_at };
    let member = Member { user, provider: &held.provider, said, is_new: false };
    if let Err(error) = group_rule::take_over(app, member).await {
        tracing::warn!(%user, ?error, "can_fail(refresh): in which groups somebody is was not taken over");
    }
    Ok(())
}

/// After which time to ask again, and when they were let in, if they were now. None: the session is over.
fn verdict(
    app: &App,
    held: &Held,
    claim: &Claim,
    person: &Result<Person>,
) -> Result<Option<(SignedDuration, Option<Timestamp>)>> {
    let Err(error) = person else {
        let every = app.auth.provider(Some(&held.provider))?.refresh_every;
        return Ok(Some((every, Some(claim.at))));
    };
    let ends = ends_session(error) || claim.at.duration_since(held.refreshed_at) >= UNTOLD;
    let Claim { user, session, .. } = claim;
    tracing::warn!(%user, %session, ends, code = error.code(), ?error, "a provider does not vouch for a session");
    Ok((!ends).then_some((AGAIN, None)))
}

/// Whether the right to ask was to be had.
async fn take(app: &App, claim: &Claim) -> Result<bool> {
    let mut batch = Batch::default();
    let stale = claim.at.saturating_sub(CLAIM).unwrap_or(claim.at);
    rows::claim_with(&app.tenant(), &mut batch, claim, stale);
    match app.store.write(batch).await {
        Err(error) if error.code() == "refresh_claimed" => Ok(false),
        other => other.map(|()| true),
    }
}

/// What it says, and when it was asked.
async fn ask(app: &App, held: &Held, claim: &Claim) -> Result<(Refreshed, Timestamp)> {
    let provider = &app.auth.provider(Some(&held.provider))?.provider;
    let sealed = held.refresh_token.as_deref().unwrap_or_default();
    let token = app.keys().open(&refresh_purpose(claim.session), sealed).map(SecretString::from);
    // Or else it was encrypted with a key that is gone.
    let token = token.ok_or(Reason::RefreshRevoked)?;
    let random = |bytes: &mut [u8]| app.rng.fill(bytes);
    let inquiry = app.inquiries.begin(&held.provider, claim.at).await?;
    let asked_at = app.now();
    let answer = provider.refresh(Moment { now: claim.at, random: &random }, &token, &held.subject).await;
    inquiry.note(app.now(), &answer);
    answer.map(|answer| (answer, asked_at))
}

/// Whether that means the end; otherwise it can't be told at the moment, or is the operator's to mend. Not every provider
/// says `invalid_grant` of somebody who was locked out: whatever else it says against the request counts too. A key that is
/// not known yet may be published late, or the provider was asked for newer ones too short a while ago.
fn ends_session(error: &Error) -> bool {
    let spared = [Reason::ClientRefused, Reason::TokenKeyUnknown].map(Reason::code);
    !matches!(error.kind(), Kind::Unavailable | Kind::Internal) && !spared.contains(&error.code())
}

/// Refresh token and ID token, as they are kept.
fn sealed(app: &App, id: SessionId, tokens: Option<Tokens>) -> Result<(Option<String>, Option<String>)> {
    let (refresh_token, id_token) = tokens.map(|tokens| (tokens.refresh_token, tokens.id_token)).unwrap_or_default();
    let seal = |purpose: String, token: Option<SecretString>| {
        let sealed = token.map(|token| app.keys().seal(&*app.rng, &purpose, token.expose_secret()));
        sealed.transpose()
    };
    Ok((seal(refresh_purpose(id), refresh_token)?, seal(hint_purpose(id), id_token)?))
}

/// Takes over the address that the provider gives now, if it is another than before, as at a sign-in: whether it makes
/// anybody somebody is looked at when it is used. The name waits for the next sign-in: people may have chosen another one.
async fn take_over(app: &App, held: &Held, person: &Person, now: Timestamp) -> Result<()> {
    let (tenant, store) = (app.tenant(), &app.store);
    let found = identities::find(&tenant, store, &held.provider, (&held.issuer, &held.subject)).await?;
    let Some((mut identity, user)) = found.filter(|_| person.email.is_some()) else { return Ok(()) };
    if (&identity.email, identity.email_verified) == (&person.email, person.email_verified) {
        return Ok(());
    }
    (identity.email, identity.email_verified) = (person.email.clone(), person.email_verified);
    let mut batch = Batch::default();
    identities::used_with(&tenant, &mut batch, &identity);
    if identity.origin == Origin::SignIn {
        let address = users::Address {
            email: identity.email.clone(),
            key: identity.email_key(),
            verified: person.email_verified,
        };
        let note = app.note((Actor::Provider, "refresh"), Told::AddressChanged).on("user", user.id).about(user.id);
        if address.email != user.email {
            note.with("provider", held.provider.clone()).write(&tenant, &mut batch);
        }
        users::address_with(&tenant, &mut batch, user.id, address, now);
    }
    session::revoke_with(app, &mut batch, user.id, None);
    store.write(batch).await?;
    session::look_again(app, user.id).await;
    Ok(())
}
