//! Who belongs to teams, for whoever has the machine.

use retinue_model::audit::Action as Told;
use retinue_model::error::Kind;
use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Error, Result};
use retinue_store::Batch;
use retinue_store::membership::{self as rows, Place};

use super::{Administration, PAGE};
use crate::membership::TeamMember;

impl Administration {
    /// Who belongs to a team, the first first.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn members(&self, team: &Team) -> Result<Vec<TeamMember>> {
        let mut all: Vec<TeamMember> = Vec::new();
        loop {
            let place =
                |last: &TeamMember| Place { created_at: last.membership.created_at, user_id: last.membership.user_id };
            let page = rows::list(&Self::team_scope(team), &self.store, all.last().map(place), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Takes somebody into a team.
    ///
    /// # Errors
    /// `member_already`.
    pub async fn add_member(&self, team: &Team, user: &User, role: Role) -> Result<()> {
        let now = self.now();
        let membership = Membership {
            team_id: team.id,
            user_id: user.id,
            role,
            origin: Origin::Person,
            evidence: None,
            created_at: now,
            updated_at: now,
        };
        let mut batch = Batch::default();
        rows::insert_with(&Self::tenant(), &mut batch, &membership);
        let note = self.note(Told::MembershipAdded).on("team", team.id).of_team(team.id).about(user.id);
        note.with("role", role.as_str()).write(&Self::tenant(), &mut batch);
        self.revoke_with(&mut batch, user.id);
        self.store.write(batch).await
    }

    async fn member(&self, team: &Team, user: &User) -> Result<Membership> {
        let found = rows::get(&Self::tenant(), &self.store, team.id, user.id).await?;
        found.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                "not_found",
                format!("{} does not belong to this team. `retinue member add` takes them in.", user.name),
            )
        })
    }

    /// Gives a member another role. One that a rule gave becomes a person's word by that, and rules change it no more.
    ///
    /// # Errors
    /// `not_found`, `last_admin`, `member_changed`.
    pub async fn set_role(&self, team: &Team, user: &User, role: Role) -> Result<()> {
        let before = self.member(team, user).await?;
        if before.role == role && before.origin != Origin::Rule {
            return Ok(());
        }
        let (mut batch, scope) = (Batch::default(), Self::team_scope(team));
        if role < Role::Admin {
            rows::keep_admin_with(&scope, &mut batch, user.id, self.auth.comers());
        }
        rows::change_with(&scope, &mut batch, &before, (role, self.now()));
        let note = self.note(Told::MembershipChanged).on("team", team.id).of_team(team.id).about(user.id);
        let note = note.with("role", role.as_str()).with("role_before", before.role.as_str());
        note.write(&Self::tenant(), &mut batch);
        self.revoke_with(&mut batch, user.id);
        self.store.write(batch).await
    }

    /// Takes somebody out of a team.
    ///
    /// # Errors
    /// `not_found`, `last_admin`, `member_changed`.
    pub async fn remove_member(&self, team: &Team, user: &User) -> Result<()> {
        let before = self.member(team, user).await?;
        let (mut batch, scope) = (Batch::default(), Self::team_scope(team));
        rows::keep_admin_with(&scope, &mut batch, user.id, self.auth.comers());
        rows::remove_with(&scope, &mut batch, &before, self.now());
        let note = self.note(Told::MembershipRemoved).on("team", team.id).of_team(team.id).about(user.id);
        note.with("role_before", before.role.as_str()).write(&Self::tenant(), &mut batch);
        self.revoke_with(&mut batch, user.id);
        self.store.write(batch).await
    }
}
