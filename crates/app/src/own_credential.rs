//! One's own way in by address: another password, another address.

use retinue_model::credential::Credential;
use retinue_model::error::Kind;
use retinue_model::one_time_token::{OneTimeToken, Purpose};
use retinue_model::{Email, Error, NewPassword, Password, Result};
use retinue_store::credential::{self as rows, Found};
use retinue_store::user::{self as users, Address};
use retinue_store::{Batch, one_time_token as tokens};

use crate::device::DeviceCookie;
use crate::link::{self, GOOD_FOR};
use crate::mail::Letter;
use crate::throttle::Key;
use crate::user::me;
use crate::{Context, notice, proof, session};

/// One's own way in by address, if one has one here.
///
/// # Errors
/// What keeps the table from being read.
pub async fn get(ctx: &Context) -> Result<Option<Credential>> {
    if ctx.auth.local.is_none() {
        return Ok(None);
    }
    let found = rows::of_user(&ctx.app().tenant(), &ctx.store, ctx.principal().user_id()).await?;
    Ok(found.map(|Found { credential, .. }| credential))
}

async fn mine(ctx: &Context) -> Result<Credential> {
    get(ctx).await?.ok_or_else(|| {
        Error::new(Kind::Forbidden, "no_address", "You sign in at a provider, and not with an address and a password.")
    })
}

fn wrong_password() -> Error {
    Error::invalid("wrong_password", "This is not your password as it is now.")
}

/// Whoever has a password types it; others must have shown lately who they are.
async fn check_current(ctx: &Context, credential: &Credential, typed: &Password) -> Result<()> {
    let Some(kept) = &credential.password_hash else { return proof::require(ctx) };
    let visit = ctx.as_visit();
    // Counted by user: strangers who guess at the account keep nobody from mending it.
    let attempt = visit.local()?.guesses.begin(ctx.now(), &[Key::user(credential.user_id)])?;
    match visit.hashing()?.verify(typed, Some(kept)).await {
        Ok(verdict) if verdict.is_right() => {
            attempt.succeeded();
            Ok(())
        }
        Ok(_) => Err(wrong_password()),
        Err(error) => {
            attempt.withdraw();
            Err(error)
        }
    }
}

/// Sets another password, and ends all other sessions. The one that counts now must be given, if there is one.
///
/// # Errors
/// `no_address`, `wrong_password`, `sign_in_again`, `password_too_short`, `password_common`, `too_many_attempts`, `too_busy`,
/// `session_ended`, `user_disabled`.
pub async fn change_password(ctx: &Context, typed: Password, new: Password) -> Result<()> {
    ctx.detached(|ctx| async move {
        let (visit, credential) = (ctx.as_visit(), mine(&ctx).await?);
        let new = NewPassword::new(new, Some(&credential.address))?;
        check_current(&ctx, &credential, &typed).await?;
        let hash = visit.hashing()?.hash(&new).await?;
        let (tenant, mut batch, now) = (visit.tenant(), Batch::default(), ctx.now());
        match &credential.password_hash {
            Some(old) => rows::confirm_password_with(&tenant, &mut batch, credential.user_id, (old, &hash)),
            None => rows::confirm_first_password_with(&tenant, &mut batch, credential.user_id, &hash),
        }
        let changed = Credential { password_hash: Some(hash), updated_at: now, ..credential };
        rows::set_password_with(&tenant, &mut batch, &changed);
        session::require_asking_with(&ctx, &mut batch)?;
        tokens::close_with(&tenant, &mut batch, Purpose::PasswordReset, &changed.address, now);
        session::end_all_with(ctx.app(), &mut batch, changed.user_id, session::current(&ctx));
        let written = ctx.store.write(batch).await;
        // Another one was set at the same moment.
        written.map_err(|error| if error.kind() == Kind::NotFound { wrong_password() } else { error })?;
        session::look_again(ctx.app(), changed.user_id).await;
        tracing::info!(user = %changed.user_id, request_id = ctx.request_id(), "a password was changed");
        visit.tell(changed.user_id, [notice::Change::PasswordSet]).await;
        Ok(())
    })
    .await
}

/// Sends a link to the address that somebody wants to sign in with from now on. Nothing is changed until it is opened.
///
/// # Errors
/// `no_address`, `wrong_password`, `sign_in_again`, `links_disabled`, `too_many_attempts`, `mail_too_busy`, `too_busy`,
/// `session_ended`, `user_disabled`.
pub async fn ask_to_change_address(ctx: &Context, typed: Password, new: Email) -> Result<()> {
    ctx.detached(|ctx| async move {
        let (visit, credential) = (ctx.as_visit(), mine(&ctx).await?);
        let mailer = visit.mailer()?;
        check_current(&ctx, &credential, &typed).await?;
        // Counted, whatever comes of it.
        drop(visit.begin_request_of(credential.user_id, &new)?);
        let taken = rows::by_address(&visit.tenant(), &ctx.store, &new).await?;
        let mut batch = Batch::default();
        session::require_asking_with(&ctx, &mut batch)?;
        let whose = (Purpose::EmailChange, Some(credential.user_id));
        let issued = link::issue(&visit, batch, whose, &new).await?;
        let letter = match taken.filter(|found| found.credential.user_id != credential.user_id) {
            Some(_) => Letter::AlreadyRegistered { link: format!("{}/sign-in", ctx.auth.public_url) },
            None => Letter::EmailChange {
                link: issued.link(&visit, "/auth/email-change/verify"),
                name: me(&ctx).await?.name,
                from: credential.address,
                good_for: GOOD_FOR,
            },
        };
        visit.send(mailer, new, letter);
        Ok(())
    })
    .await
}

/// Another address that somebody is about to sign in with.
#[derive(Debug)]
pub struct Change {
    /// Whose it will be, by name.
    pub name: String,
    /// The address until now.
    pub from: Email,
    /// The address from then on.
    pub to: Email,
}

fn of_another() -> Error {
    Error::conflict(
        "link_of_other_account",
        "This link is for another account than the one you are signed in with here. Sign in with that one, and open the link again. Did you not ask for it? Then leave it: nothing is changed.",
    )
}

/// The open token of this text, if it is for whoever asks: whoever merely got the mail gives nobody their address.
async fn find_mine(ctx: &Context, token: &str) -> Result<OneTimeToken> {
    let row = link::find(&ctx.as_visit(), Purpose::EmailChange, token).await?;
    if row.user_id == Some(ctx.principal().user_id()) { Ok(row) } else { Err(of_another()) }
}

/// What an open link to another address would change, for the page to which it leads. Looking uses nothing up.
///
/// # Errors
/// `local_disabled`, `token_spent`, `link_of_other_account`.
pub async fn look_at_change(ctx: &Context, token: &str) -> Result<Change> {
    let row = find_mine(ctx, token).await?;
    Ok(Change { name: me(ctx).await?.name, from: mine(ctx).await?.address, to: row.address })
}

/// Lets oneself sign in with the address that a mail went to from now on, and tells the old one. Gives what the browser is
/// recognised by from then on.
///
/// # Errors
/// `local_disabled`, `token_spent`, `link_of_other_account`, `address_taken`, `session_ended`, `user_disabled`.
pub async fn change_address(ctx: &Context, token: &str) -> Result<DeviceCookie> {
    let token = token.to_owned();
    ctx.detached(|ctx| async move {
        let (row, visit) = (find_mine(&ctx, &token).await?, ctx.as_visit());
        let (tenant, now, mut batch) = (visit.tenant(), ctx.now(), Batch::default());
        let Credential { user_id: id, address: old, .. } = mine(&ctx).await?;
        link::spend_with(&visit, &mut batch, &row);
        rows::change_address_with(&tenant, &mut batch, id, &row.address, now);
        let address = Address { email: Some(row.address.to_string()), key: Some(row.address.key()), verified: true };
        users::address_with(&tenant, &mut batch, id, address, now);
        session::require_asking_with(&ctx, &mut batch)?;
        // What went to the old address opens nothing any more.
        for purpose in [Purpose::MagicLink, Purpose::PasswordReset] {
            tokens::close_with(&tenant, &mut batch, purpose, &old, now);
        }
        tokens::close_of_user_with(&tenant, &mut batch, (Purpose::EmailChange, id), (None, now));
        session::revoke_with(ctx.app(), &mut batch, id, None);
        let device = visit.recognise(&row.address)?;
        ctx.store.write(batch).await?;
        session::look_again(ctx.app(), id).await;
        if let Some(mailer) = visit.mailer_for(id) {
            visit.send(mailer, old, Letter::EmailChanged { to: row.address });
        }
        tracing::info!(user = %id, request_id = ctx.request_id(), "an address was changed");
        Ok(device)
    })
    .await
}
