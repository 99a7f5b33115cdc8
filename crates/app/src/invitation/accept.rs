//! Accepting an invitation: signed in, with one button.

use jiff::Timestamp;
use retinue_model::audit::Action as Told;
use retinue_model::invitation::Invitation;
use retinue_model::membership::Role;
use retinue_model::return_to::ReturnTo;
use retinue_model::{Error, Result, TeamId, UserId};
use retinue_store::invitation::{self as rows, Found, Use};
use retinue_store::{Batch, membership as memberships};

use crate::access::{self, Grant};
use crate::audit::Note;
use crate::policy::Action;
use crate::secret::Token;
use crate::{Context, Visit, membership, session, voucher};

/// What an invitation is about, for whoever has its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Into which team, by name.
    pub team: String,
    /// The team's short name, which no other has that looks the same.
    pub team_slug: String,
    /// Who invites, by name; none if whoever has the machine does.
    pub by: Option<String>,
    /// As what.
    pub role: Role,
    /// For whom alone it counts.
    pub address: Option<String>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// An open invitation, and the right of whoever made it, if they need one.
pub(super) struct Valid {
    pub(super) found: Found,
    grant: Option<Grant>,
}

/// The open invitation of this token. It is no guess: of 2²⁵⁶ there is one.
pub(super) async fn find(visit: &Visit, token: &str) -> Result<Valid> {
    let token = Token::parse(token).ok_or_else(rows::spent)?;
    let found = rows::find(&visit.tenant(), &visit.store, &token.hash(), visit.now()).await?;
    let found = found.ok_or_else(rows::spent)?;
    let Invitation { team_id, invited_by, .. } = found.invitation;
    let Some(by) = invited_by else { return Ok(Valid { found, grant: None }) };
    // What somebody said who may not say so any more does not count.
    let grant = access::grant_of(visit.app(), by, Action::InvitationCreate, team_id).await?;
    Ok(Valid { found, grant: Some(grant.ok_or_else(rows::spent)?) })
}

/// What an open invitation is about. Looking uses nothing up.
///
/// # Errors
/// `invitation_spent`.
pub async fn look(visit: &Visit, token: &str) -> Result<Offer> {
    let Found { invitation, team, team_slug, by } = find(visit, token).await?.found;
    let Invitation { role, address, expires_at, .. } = invitation;
    Ok(Offer { team, team_slug, by, role, address, expires_at })
}

/// Where a mail may lead on to that strangers can have sent to anybody: to an invitation too, if it is open. Its token is a
/// secret of the server's, known to whoever asks, and no words of theirs.
pub(crate) async fn place_in_mail(visit: &Visit, return_to: &ReturnTo) -> ReturnTo {
    match return_to.invitation() {
        Some(token) if find(visit, token).await.is_ok() => return_to.clone(),
        _ => return_to.in_mail(),
    }
}

fn for_another() -> Error {
    Error::conflict(
        "invitation_of_another",
        "This invitation is for an address of which nobody has shown that it is yours. Sign in with the account that has the address, or show that it is yours by a link to it.",
    )
}

impl Valid {
    /// Uses the invitation up, and lets somebody into its team, when the batch is written. `note` begins what is told of it.
    pub(super) fn use_with(
        &self,
        visit: &Visit,
        batch: &mut Batch,
        (user, before): (UserId, Option<Role>),
        note: impl Fn(Told) -> Note,
    ) {
        let (tenant, now, invitation) = (visit.tenant(), visit.now(), &self.found.invitation);
        let one = Use { id: invitation.id, by: user, key: visit.new_uuid(), at: now };
        // In the order in which whoever deletes the team takes them: neither waits for the other then.
        if let Some(grant) = &self.grant {
            grant.hold_in(&tenant, batch);
        }
        rows::spend_with(&tenant, batch, one, &visit.auth.trusted_with_addresses());
        memberships::join_with(
            &access::invited(&tenant, invitation),
            batch,
            (user, invitation.invited_by),
            (invitation.role, now),
        );
        let (team, role) = (invitation.team_id, invitation.role.as_str());
        let accepted = note(Told::InvitationAccepted).on("invitation", invitation.id).of_team(team).about(user);
        accepted
            .with("role", role)
            .with("invited_by", invitation.invited_by.map(|id| id.to_string()))
            .write(&tenant, batch);
        let told = if before.is_some() { Told::MembershipChanged } else { Told::MembershipAdded };
        let joined = note(told).on("team", team).of_team(team).about(user).with("role", role);
        let joined = match before {
            Some(before) => joined.with("role_before", before.as_str()),
            None => joined,
        };
        joined.with("invitation", invitation.id.to_string()).write(&tenant, batch);
    }
}

/// What it means if what must hold of an invitation did not when it was written down: perhaps whoever invited lost their
/// right at this very moment.
pub(super) async fn refused(visit: &Visit, token: &str, error: Error) -> Error {
    if matches!(error.code(), "role_too_low" | "user_disabled")
        && let Err(now) = find(visit, token).await
    {
        return now;
    }
    error
}

/// Lets whoever asks into the team that they are invited to, or gives them the higher role there. Nobody's role becomes lower
/// by it.
///
/// # Errors
/// `invitation_spent`, `invitation_of_another`, `member_already`, `session_ended`, `user_disabled`.
pub async fn accept(ctx: &Context, token: &str) -> Result<TeamId> {
    let token = token.to_owned();
    ctx.detached(|ctx| async move {
        let (visit, user) = (ctx.as_visit(), ctx.principal().user_id());
        let valid = find(&visit, &token).await?;
        let Invitation { team_id, role, .. } = valid.found.invitation;
        if let Some(address) = &valid.found.invitation.address
            && !voucher::vouches_for((&ctx.auth, &ctx.store), user, address).await?
        {
            return Err(for_another());
        }
        let before = memberships::get(&ctx.tenant(), &ctx.store, team_id, user).await?.map(|before| before.role);
        // To give up nothing for nothing: somebody else may have been meant.
        if before.is_some_and(|before| before > role) {
            return Err(memberships::member_already());
        }
        let mut batch = Batch::default();
        valid.use_with(&visit, &mut batch, (user, before), |told| ctx.note(told));
        session::require_asking_with(&ctx, &mut batch)?;
        match membership::tell_of(&ctx, batch, user).await {
            Ok(()) => Ok(team_id),
            Err(error) => Err(refused(&visit, &token, error).await),
        }
    })
    .await
}
