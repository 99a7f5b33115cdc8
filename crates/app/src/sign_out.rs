//! Signing out: here, at the provider, and when the provider says so.

use retinue_model::{Error, Result};
use retinue_oidc::EndSession;
use retinue_store::logout_token::{self, Taken};
use retinue_store::{Batch, session as rows};
use secrecy::SecretString;

use crate::{Context, Visit, audit, refresh, session};

/// Where people are sent after they signed out.
const SIGNED_OUT: &str = "/signed-out";

/// Ends the session that asks. Gives where to go to sign out at the provider too, if it has such a place.
///
/// # Errors
/// What keeps that from being written; the session goes on then.
pub async fn sign_out(ctx: &Context) -> Result<Option<String>> {
    let Some(id) = session::current(ctx) else { return Ok(None) };
    // Before they are deleted with the session.
    let tokens = rows::tokens(&ctx.app().tenant(), &ctx.store, id, ctx.principal().user_id()).await?;
    session::end(ctx, id).await?;
    let Some(tokens) = tokens else { return Ok(None) };
    let Ok(configured) = ctx.auth.provider(Some(&tokens.provider)) else { return Ok(None) };
    let hint = tokens.id_token.and_then(|sealed| ctx.keys().open(&refresh::hint_purpose(id), &sealed));
    let end = EndSession {
        id_token: hint.map(SecretString::from),
        return_to: Some(format!("{}{SIGNED_OUT}", ctx.auth.public_url)),
        state: None,
    };
    let url = configured.provider.end_session_url(ctx.now(), end).await;
    Ok(url.unwrap_or_else(|error| {
        tracing::warn!(?error, "can_fail(sign_out): the provider can't be asked to sign somebody out too");
        None
    }))
}

/// A provider says that somebody signed out there (OpenID Connect Back-Channel Logout 1.0).
///
/// # Errors
/// Why the token is refused.
pub async fn back_channel(visit: &Visit, logout_token: &str) -> Result<()> {
    let issuer = retinue_oidc::claimed_issuer(logout_token)?;
    let mut refused =
        Error::invalid("logout_issuer_unknown", "This token is of no identity provider that is known here.");
    // Several may have one issuer: different clients of one provider.
    for configured in visit.auth.providers.iter().filter(|known| known.provider.config().issuer.as_str() == issuer) {
        match configured.provider.logged_out(logout_token, visit.now()).await {
            Ok(logged_out) => return end(visit, (configured.name(), &issuer), &logged_out).await,
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn end(visit: &Visit, at: (&str, &str), logged_out: &retinue_oidc::LoggedOut) -> Result<()> {
    let (tenant, store) = (visit.tenant(), &visit.store);
    let mut batch = Batch::default();
    let taken = Taken {
        id: visit.new_uuid(),
        provider: at.0.to_owned(),
        token_id: logged_out.id.clone(),
        expires_at: logged_out.remember_until,
    };
    logout_token::take_with(&tenant, &mut batch, taken);
    let sessions = match (&logged_out.session, &logged_out.subject) {
        (Some(session), _) => rows::of_provider_session(&tenant, store, at, session).await?,
        (None, Some(subject)) => rows::of_subject(&tenant, store, at, subject).await?,
        (None, None) => Vec::new(),
    };
    session::end_these(visit.app(), batch, &sessions).await?;
    tracing::info!(
        provider = at.0,
        subject = logged_out.subject.as_deref().map(audit::subject),
        sessions = sessions.len(),
        request_id = visit.request_id(),
        "signed out by the provider"
    );
    Ok(())
}
