//! Asking an identity provider whether somebody with a session may still come in: with the refresh token, if it gave one.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use retinue_model::error::Kind;
use retinue_model::{Error, Result, SessionId, UserId};
use retinue_oidc::{Reason, Refreshed};
use retinue_store::Batch;
use retinue_store::session::{self as rows, Kept, Tokens};
use secrecy::{ExposeSecret as _, SecretString};

use crate::auth::SignInProvider;
use crate::session_cache::KnownSession;
use crate::{App, session};

/// How long whoever asks may take, before somebody else asks.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);
/// When it is tried again after the provider could not tell.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// What refresh tokens are encrypted for: each for its own session.
pub(crate) fn refresh_purpose(id: SessionId) -> String {
    format!("refresh token of {id}")
}

/// What ID tokens are encrypted for.
pub(crate) fn hint_purpose(id: SessionId) -> String {
    format!("ID token of {id}")
}

/// The session, once its provider was asked if that is due.
///
/// # Errors
/// `session_ended` if the provider takes it back.
pub(crate) async fn when_due(app: &App, known: Arc<KnownSession>, now: Timestamp) -> Result<Arc<KnownSession>> {
    if known.refresh_at.is_none_or(|at| at > now) {
        return Ok(known);
    }
    let (app, id, user) = (app.clone(), known.session.id, known.session.user_id);
    // To its end, whoever hangs up: a refresh token counts once.
    let tasks = app.tasks.clone();
    let refreshed = tasks.spawn(async move {
        refresh(&app, (user, id), now).await?;
        session::load(&app, id, user).await
    });
    let known = refreshed.await.map_err(Error::internal)??;
    known.ok_or_else(|| Error::new(Kind::Unauthenticated, "session_ended", "Your session has ended. Sign in again."))
}

/// Asks about a session that a stream holds on to, if that is due.
pub(crate) fn beside_streams(app: &App, known: Arc<KnownSession>, now: Timestamp) {
    if known.refresh_at.is_some_and(|at| at <= now) {
        let app = app.clone();
        tokio::spawn(async move {
            if let Err(error) = when_due(&app, known, now).await {
                tracing::debug!(?error, "can_fail(refresh): a session was not refreshed");
            }
        });
    }
}

/// Asks, unless somebody else does. The session is over afterwards if the provider says so.
async fn refresh(app: &App, (user, id): (UserId, SessionId), now: Timestamp) -> Result<()> {
    let tenant = app.tenant();
    let mut batch = Batch::default();
    let stale = now.saturating_sub(CLAIM).unwrap_or(now);
    rows::claim_refresh_with(&tenant, &mut batch, (user, id), (now, stale));
    match app.store.write(batch).await {
        Err(error) if error.code() == "refresh_claimed" => return Ok(()),
        other => other?,
    }
    let Some(tokens) = rows::tokens(&tenant, &app.store, id, user).await? else { return Ok(()) };
    let outcome = ask(app, &tokens, id, now).await;
    let kept = match outcome {
        Ok((refreshed, every)) => sealed(app, id, &refreshed, now.saturating_add(every).unwrap_or(now))?,
        Err(error) if ends_session(&error) => {
            tracing::info!(%user, session = %id, code = error.code(), ?error, "a provider took a session back");
            return session::end_these(app, Batch::default(), &[(user, id)]).await;
        }
        Err(error) => {
            tracing::warn!(session = %id, code = error.code(), ?error, "a provider can't tell about a session; it goes on");
            Kept { refresh_at: now.saturating_add(AGAIN).ok(), ..Kept::default() }
        }
    };
    let mut batch = Batch::default();
    rows::refreshed_with(&tenant, &mut batch, (user, id), kept);
    app.store.write_patiently(batch).await
}

async fn ask(app: &App, tokens: &Tokens, id: SessionId, now: Timestamp) -> Result<(Refreshed, SignedDuration)> {
    let SignInProvider { provider, refresh_every, .. } = app.auth.provider(Some(&tokens.provider))?;
    let sealed = tokens.refresh_token.as_deref().unwrap_or_default();
    let token = app.keys().open(&refresh_purpose(id), sealed).map(SecretString::from);
    // Or else it was encrypted with a key that is gone.
    let token = token.ok_or(Reason::RefreshRevoked)?;
    let random = |bytes: &mut [u8]| app.rng.fill(bytes);
    let moment = retinue_oidc::Moment { now, random: &random };
    Ok((provider.refresh(moment, &token, &tokens.subject).await?, *refresh_every))
}

/// Whether that means the end; otherwise it can't be told at the moment, or is the operator's to mend. Not every provider
/// says `invalid_grant` of somebody who was locked out: whatever else it says against the request counts too.
fn ends_session(error: &Error) -> bool {
    !matches!(error.kind(), Kind::Unavailable | Kind::Internal) && error.code() != Reason::ClientRefused.code()
}

fn sealed(app: &App, id: SessionId, refreshed: &Refreshed, refresh_at: Timestamp) -> Result<Kept> {
    let seal = |purpose: String, token: &Option<SecretString>| {
        let sealed = token.as_ref().map(|token| app.keys().seal(&*app.rng, &purpose, token.expose_secret()));
        sealed.transpose()
    };
    Ok(Kept {
        provider_session: None,
        id_token: seal(hint_purpose(id), &refreshed.tokens.id_token)?,
        refresh_token: seal(refresh_purpose(id), &refreshed.tokens.refresh_token)?,
        refresh_at: Some(refresh_at),
    })
}
