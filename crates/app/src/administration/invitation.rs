//! Invitations to teams, for whoever has the machine: they count for as long as nobody takes them back.

use retinue_model::audit::Action as Told;
use retinue_model::invitation::Invitation;
use retinue_model::team::Team;
use retinue_model::{Email, InvitationId, Result};
use retinue_store::{Batch, invitation as rows};

use super::Administration;
use crate::access;
use crate::invitation::{MOST, NewInvitation, expiry, good_for, link};
use crate::mail::Letter;
use crate::secret::Token;

/// An invitation that was made, with its link, which is kept nowhere.
pub struct Invited {
    /// What is kept of it.
    pub invitation: Invitation,
    /// The link.
    pub link: String,
    /// The mail that takes the link to the address.
    pub letter: Letter,
}

/// The link lets somebody in.
impl std::fmt::Debug for Invited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invited").field("invitation", &self.invitation.id).finish_non_exhaustive()
    }
}

impl Administration {
    /// Invites somebody into a team; `mailed` says that the link goes to the address by mail, and to nobody else.
    ///
    /// # Errors
    /// `expires_in_the_past`, `expires_too_late`, `too_many_invitations`.
    pub async fn invite_into(
        &self,
        team: &Team,
        new: NewInvitation,
        (public_url, mailed): (&str, bool),
    ) -> Result<Invited> {
        let (now, token) = (self.now(), Token::new(&*self.rng));
        let invitation = Invitation {
            id: self.new_id(),
            team_id: team.id,
            role: new.role,
            address: new.address.as_ref().map(Email::key),
            mailed: mailed && new.address.is_some(),
            invited_by: None,
            created_at: now,
            expires_at: expiry(new.expires_at, now)?,
        };
        let mut batch = Batch::default();
        rows::insert_with(&Self::team_scope(team), &mut batch, &invitation, (token.hash(), MOST));
        let note = self.note(Told::InvitationCreated).on("invitation", invitation.id).of_team(team.id);
        let note = note.with("role", invitation.role.as_str()).with("for_address", invitation.address.is_some());
        note.with("expires_at", invitation.expires_at.to_string()).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await?;
        let (link, good_for) = (link(public_url, &token), good_for(&invitation));
        let letter = Letter::TeamInvitation {
            link: link.clone(),
            team: (team.name.clone(), team.slug.clone()),
            by: None,
            good_for,
        };
        Ok(Invited { invitation, link, letter })
    }

    /// The open invitations of a team, the oldest first.
    ///
    /// # Errors
    /// What keeps the table from being read.
    pub async fn invitations(&self, team: &Team) -> Result<Vec<Invitation>> {
        rows::list(&Self::team_scope(team), &self.store, None, (self.now(), MOST)).await
    }

    /// Takes an open invitation of any team back.
    ///
    /// # Errors
    /// `not_found`, also if it was used.
    pub async fn revoke_invitation(&self, id: InvitationId) -> Result<Invitation> {
        let found = rows::get(&Self::tenant(), &self.store, id, self.now()).await?.ok_or_else(rows::missing)?;
        let scope = access::invited(&Self::tenant(), &found);
        let mut batch = Batch::default();
        rows::revoke_with(&scope, &mut batch, id, self.now());
        self.note(Told::InvitationRevoked)
            .on("invitation", id)
            .of_team(found.team_id)
            .write(&Self::tenant(), &mut batch);
        self.store.write(batch).await?;
        Ok(found)
    }
}
