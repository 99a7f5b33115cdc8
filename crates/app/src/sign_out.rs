//! Signing out: here, at the provider, and when the provider says so.

use jiff::SignedDuration;
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::{Error, Result, UserId};
use retinue_oidc::EndSession;
use retinue_store::logout_token::{self, Taken, Whom};
use retinue_store::{Batch, session as rows};
use secrecy::SecretString;

use crate::audit::Note;
use crate::{Context, Visit, audit, refresh, session};

/// Where people are sent after they signed out.
const SIGNED_OUT: &str = "/signed-out";

/// For how long no session is opened of a sign-in that was under way when its provider signed somebody out: as long as a
/// sign-in may take.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

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
            Ok(logged_out) => {
                let (here, name) = (visit.clone(), configured.name().to_owned());
                return visit.detached(async move { end(&here, (&name, &issuer), &logged_out).await }).await;
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Each of these once; or else nobody, of whom it is told that nobody was concerned.
fn concerned(people: &[UserId]) -> Vec<Option<UserId>> {
    let mut each: Vec<_> = people.iter().copied().map(Some).collect();
    each.sort_unstable_by_key(|user| user.map(UserId::uuid));
    each.dedup();
    if each.is_empty() { vec![None] } else { each }
}

async fn end(visit: &Visit, (provider, issuer): (&str, &str), logged_out: &retinue_oidc::LoggedOut) -> Result<()> {
    let (tenant, now) = (visit.tenant(), visit.now());
    let whom = match (logged_out.session.clone(), logged_out.subject.clone()) {
        (Some(session), Some(subject)) => Whom::SessionOf { session, subject },
        (Some(session), None) => Whom::Session(session),
        // One of the two is there.
        (None, subject) => Whom::Subject(subject.unwrap_or_default()),
    };
    let remembered = now.saturating_add(REMEMBERED).map_err(Error::internal)?;
    let taken = Taken {
        id: visit.new_uuid(),
        provider: provider.to_owned(),
        issuer: issuer.to_owned(),
        token_id: logged_out.id.clone(),
        whom,
        taken_at: now,
        expires_at: logged_out.remember_until.max(remembered),
    };
    let people = logout_token::people(&tenant, &visit.store, &taken).await?;
    let mut batch = Batch::default();
    logout_token::take_with(&tenant, &mut batch, &taken);
    for user in concerned(&people) {
        let note = visit.note((Actor::Provider, "logout_token"), Told::SessionEnded).with("provider", provider);
        let note = note.with("subject", logged_out.subject.as_deref().map(audit::subject));
        user.into_iter().fold(note, Note::about).write(&tenant, &mut batch);
    }
    visit.store.write(batch).await?;
    for user in people {
        session::look_again(visit.app(), user).await;
    }
    tracing::info!(
        provider,
        subject = logged_out.subject.as_deref().map(audit::subject),
        request_id = visit.request_id(),
        "signed out by the provider"
    );
    Ok(())
}
