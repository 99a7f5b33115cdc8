//! Invitations: that somebody may come into a team, once, by a link.
//!
//! An invitation counts for as long as whoever made it may invite: it is their word, and no more than that. One that is for
//! an address counts for whoever has shown that the address is theirs. What becomes of a link: see [`accept`].

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::Action as Told;
use retinue_model::invitation::Invitation;
use retinue_model::membership::Role;
use retinue_model::{Email, Error, InvitationId, Result, TeamId, UserId};
use retinue_store::Batch;
use retinue_store::invitation as rows;
use retinue_store::invitation::Place;
use retinue_store::team as teams;

use crate::access::{self, Grant};
use crate::mail::{Letter, Mail, Mailer};
use crate::policy::Action;
use crate::secret::Token;
use crate::user::{me, names_of};
use crate::{Context, cursor};

mod accept;
mod register;

pub(crate) use accept::place_in_mail;
pub use accept::{Offer, accept, look};
pub use register::{Joining, look_to_register, register};

/// How long an invitation is good, if nothing is said of that.
pub(crate) const LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long one is good at most.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Open invitations of a team, at most.
pub(crate) const MOST: i64 = 200;

/// What is said of a new invitation.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// As what.
    pub role: Role,
    /// The only address for which it counts, to which the link goes by mail; none if it counts for whoever has the link.
    pub address: Option<Email>,
    /// Until when it counts; for a week if none.
    pub expires_at: Option<Timestamp>,
}

/// A new invitation.
pub struct Made {
    /// What is kept of it.
    pub invitation: Invitation,
    /// The link, for whoever made it, if it did not go out by mail. It is told now, and never again.
    pub link: Option<String>,
}

/// The link lets somebody in.
impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("invitation", &self.invitation.id).finish_non_exhaustive()
    }
}

/// Some invitations of a list, and where it goes on.
#[derive(Clone, Debug)]
pub struct Page {
    /// The invitations, the oldest first.
    pub invitations: Vec<Invitation>,
    /// Where the list goes on, if it does.
    pub next_cursor: Option<String>,
}

/// The link that accepts an invitation.
pub(crate) fn link(public_url: &str, token: &Token) -> String {
    format!("{public_url}/invitations/accept?token={}", token.expose())
}

/// Until when an invitation counts.
///
/// # Errors
/// `expires_in_the_past`, `expires_too_late`.
pub(crate) fn expiry(wanted: Option<Timestamp>, now: Timestamp) -> Result<Timestamp> {
    let latest = now.saturating_add(LONGEST).map_err(Error::internal)?;
    match wanted {
        None => now.saturating_add(LASTS).map_err(Error::internal),
        Some(at) if at <= now => {
            Err(Error::invalid("expires_in_the_past", "Choose a time in the future for the invitation’s end, or none."))
        }
        Some(at) if at > latest => {
            Err(Error::invalid("expires_too_late", "An invitation is good for 30 days at most. Choose an earlier end."))
        }
        Some(at) => Ok(at),
    }
}

/// How long an invitation is good, as its mail says: in whole hours, or it would promise more than there is.
pub(crate) fn good_for(invitation: &Invitation) -> std::time::Duration {
    let lasts = invitation.expires_at.duration_since(invitation.created_at);
    SignedDuration::from_hours(lasts.as_hours().max(1)).unsigned_abs()
}

/// Invites somebody, by mail if an address is given and mail goes out. The answer waits for that.
///
/// # Errors
/// `not_found`, `role_too_low`, `expires_in_the_past`, `expires_too_late`, `too_many_invitations`, `too_many_attempts`;
/// `nobody_signs_in` where there is nobody to invite.
pub async fn create(ctx: &Context, team: TeamId, new: NewInvitation) -> Result<Made> {
    let grant = access::require_of_team(ctx, Action::InvitationCreate, team).await?;
    if ctx.auth.is_single_user() {
        return Err(Error::conflict(
            "nobody_signs_in",
            "Nobody signs in on this server, so nobody can accept an invitation. Whoever runs it can let people sign in.",
        ));
    }
    let now = ctx.now();
    let expires_at = expiry(new.expires_at, now)?;
    let mailer = mailer(ctx, new.address.as_ref())?;
    let invitation = Invitation {
        id: ctx.new_id(),
        team_id: team,
        role: new.role,
        address: new.address.as_ref().map(Email::key),
        mailed: mailer.is_some(),
        invited_by: Some(ctx.principal().user_id()),
        created_at: now,
        expires_at,
    };
    let mailer = mailer.cloned().zip(new.address);
    ctx.detached(move |ctx| async move { make(&ctx, grant, invitation, mailer).await }).await
}

/// What sends the link, if anything does. A mail to an address that somebody types is counted as all such are.
fn mailer<'c>(ctx: &'c Context, address: Option<&Email>) -> Result<Option<&'c Mailer>> {
    let mailer = ctx.auth.local.as_ref().and_then(|local| local.mail.as_ref());
    let Some((mailer, address)) = mailer.zip(address) else { return Ok(None) };
    mailer.has_room()?;
    // Counted, whatever comes of it.
    drop(ctx.as_visit().begin_request(address)?);
    Ok(Some(mailer))
}

async fn make(
    ctx: &Context,
    grant: Grant,
    mut invitation: Invitation,
    mailer: Option<(Mailer, Email)>,
) -> Result<Made> {
    let (mut batch, team, token) = (Batch::default(), grant.team()?, Token::new(&*ctx.rng));
    rows::insert_with(&team, &mut batch, &invitation, (token.hash(), MOST));
    grant.hold_with(ctx, &mut batch);
    let note = ctx.note(Told::InvitationCreated).on("invitation", invitation.id).of_team(team.id());
    let note = note.with("role", invitation.role.as_str()).with("for_address", invitation.address.is_some());
    note.with("expires_at", invitation.expires_at.to_string()).write(&ctx.tenant(), &mut batch);
    ctx.store.write(batch).await?;
    let link = link(&ctx.auth.public_url, &token);
    let Some((mailer, to)) = mailer else { return Ok(Made { invitation, link: Some(link) }) };
    let found = teams::get(&ctx.tenant(), &ctx.store, team.id()).await?.ok_or_else(teams::missing)?;
    let by = Some(me(ctx).await?.name);
    let letter = Letter::TeamInvitation {
        link: link.clone(),
        team: (found.name, found.slug),
        by,
        good_for: good_for(&invitation),
    };
    let Err(error) = mailer.send_now(&Mail { to, letter }).await else { return Ok(Made { invitation, link: None }) };
    tracing::warn!(
        invitation = %invitation.id,
        request_id = ctx.request_id(),
        ?error,
        "can_fail(invitation): a mail was not sent, and whoever invites gets the link"
    );
    // Before anybody else sees the link: it shows no more whose the address is.
    let mut batch = Batch::default();
    rows::show_with(&team, &mut batch, invitation.id);
    ctx.store.write(batch).await?;
    invitation.mailed = false;
    Ok(Made { invitation, link: Some(link) })
}

/// The open invitations of a team, for those who run it.
///
/// # Errors
/// `not_found`, `role_too_low`, `invalid_cursor`.
pub async fn list(ctx: &Context, team: TeamId, cursor: Option<&str>, limit: usize) -> Result<Page> {
    let scope = access::require_of_team(ctx, Action::InvitationRead, team).await?.team()?;
    let after = cursor.map(|text| cursor::to_invitation(team, text)).transpose()?;
    let mut invitations = rows::list(&scope, &ctx.store, after, (ctx.now(), cursor::one_more(limit))).await?;
    let has_more = invitations.len() > limit;
    invitations.truncate(limit);
    let place = |last: &Invitation| Place { created_at: last.created_at, id: last.id };
    let next_cursor = invitations.last().filter(|_| has_more).map(|last| cursor::of_invitation(team, place(last)));
    Ok(Page { invitations, next_cursor })
}

/// What those are called who made some invitations of a team, for whoever may read the invitations.
///
/// # Errors
/// What keeps the table from being read.
pub async fn inviters(ctx: &Context, invitations: &[Invitation]) -> Result<HashMap<UserId, String>> {
    names_of(ctx, invitations.iter().filter_map(|invitation| invitation.invited_by)).await
}

/// Takes an invitation of a team back, at once.
///
/// # Errors
/// `not_found`, also if it was used; `role_too_low`.
pub async fn revoke(ctx: &Context, team: TeamId, id: InvitationId) -> Result<()> {
    let grant = access::require_of_team(ctx, Action::InvitationRevoke, team).await?;
    rows::get(&ctx.tenant(), &ctx.store, id, ctx.now()).await?.ok_or_else(rows::missing)?;
    ctx.detached(move |ctx| async move {
        let (mut batch, scope) = (Batch::default(), grant.team()?);
        rows::revoke_with(&scope, &mut batch, id, ctx.now());
        grant.hold_with(&ctx, &mut batch);
        let note = ctx.note(Told::InvitationRevoked).on("invitation", id).of_team(team);
        note.write(&ctx.tenant(), &mut batch);
        ctx.store.write(batch).await
    })
    .await
}
