//! What ends with somebody who leaves: that they may come in, what acts for them, and what they are in teams.

use retinue_model::audit::Action as Told;
use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::{Result, TeamId, UserId};
use retinue_store::Batch;
use retinue_store::{api_key as keys, membership as memberships, offboarding as rows, user as users};

use super::{Plan, Work};
use crate::{access, admin, people, session};

/// Of most things, so many in one batch.
const AT_ONCE: i64 = 100;

impl Work {
    /// Shuts them out: in the same batch it is made sure that the installation and their teams are still run by somebody.
    pub(super) async fn shut_out(&mut self, plan: &Plan) -> Result<()> {
        let (app, id, mut batch) = (self.by.app().clone(), self.report.user_id, Batch::default());
        let (tenant, now) = (app.tenant(), app.now());
        if plan.user.organization_admin {
            admin::keep_one_with((&app.auth, &app.store), &mut batch, id).await?;
            users::make_admin_with(&tenant, &mut batch, id, (false, now));
            self.note(Told::AdminRevoked).on("user", id).write(&tenant, &mut batch);
            self.report.ended.organization_admin = true;
        }
        self.hand_over_teams_with(plan, &mut batch).await?;
        for team in rows::admin_of(&tenant, &app.store, id).await? {
            memberships::keep_admin_with(&access::of_leaver(&tenant, team), &mut batch, id, app.auth.comers());
        }
        people::shut_out_with(&app, &mut batch, id);
        rows::drop_password_with(&tenant, &mut batch, id, now);
        self.report.ended.sessions += plan.contents.sessions;
        self.report.ended.runs += plan.contents.runs;
        if plan.user.disabled_at.is_none() {
            self.note(Told::UserDisabled).on("user", id).write(&tenant, &mut batch);
        }
        let note = self.note(Told::UserOffboarded).on("user", id).with("step", "begun");
        let note = note.with("threads", plan.policy.threads.as_str()).with("agents", plan.policy.agents.as_str());
        let note = note.with("to", plan.to.map(|to| to.to_string()));
        note.with("teams_to", plan.teams_to.map(|to| to.to_string())).write(&tenant, &mut batch);
        let told = session::revoke_with(&app, &mut batch, id, None);
        self.write(batch).await?;
        session::look_after(&app, id, told).await;
        if let Some(heir) = plan.teams_to {
            session::look_again(&app, heir).await;
        }
        Ok(())
    }

    /// Makes somebody an admin of the teams that nobody else is one of.
    async fn hand_over_teams_with(&mut self, plan: &Plan, batch: &mut Batch) -> Result<()> {
        let Some(heir) = plan.teams_to.filter(|_| !plan.alone_in.is_empty()) else { return Ok(()) };
        let app = self.by.app().clone();
        rows::require_heir_with(&app.tenant(), batch, heir);
        for team in &plan.alone_in {
            self.make_admin_with(batch, team.id, heir).await?;
        }
        session::revoke_with(&app, batch, heir, None);
        Ok(())
    }

    async fn make_admin_with(&mut self, batch: &mut Batch, team: TeamId, heir: UserId) -> Result<()> {
        let app = self.by.app().clone();
        let (tenant, now) = (app.tenant(), app.now());
        let note = if let Some(before) = memberships::get(&tenant, &app.store, team, heir).await? {
            memberships::change_with(&access::of_leaver(&tenant, team), batch, &before, (Role::Admin, now));
            self.by.note(Told::MembershipChanged).with("role_before", before.role.as_str())
        } else {
            let (role, origin) = (Role::Admin, Origin::Person);
            let new = Membership {
                team_id: team,
                user_id: heir,
                role,
                origin,
                evidence: None,
                created_at: now,
                updated_at: now,
            };
            memberships::insert_with(&tenant, batch, &new);
            self.by.note(Told::MembershipAdded)
        };
        self.report.transferred.teams += 1;
        let note = note.on("team", team).of_team(team).about(heir).with("role", Role::Admin.as_str());
        note.with("instead_of", self.report.user_id.to_string()).write(&tenant, batch);
        Ok(())
    }

    /// Revokes their keys: they count no more, also if their owner is let in again.
    pub(super) async fn revoke_keys(&mut self) -> Result<()> {
        let (app, id) = (self.by.app().clone(), self.report.user_id);
        let tenant = app.tenant();
        loop {
            let found = rows::keys(&tenant, &app.store, id, AT_ONCE).await?;
            if found.is_empty() {
                return Ok(());
            }
            let (mut batch, before) = (Batch::default(), self.report.ended.api_keys);
            for (key, team) in found {
                keys::revoke_with(&tenant, &mut batch, (key, id), app.now());
                self.note(Told::ApiKeyRevoked).on("api_key", key).of_team(team).write(&tenant, &mut batch);
                self.report.ended.api_keys += 1;
            }
            match self.write(batch).await {
                // Somebody revoked one of them at this moment: look again.
                Err(error) if keys::is_revoked(&error) => self.report.ended.api_keys = before,
                written => written?,
            }
        }
    }

    /// Takes back the invitations that they made.
    pub(super) async fn take_back_invitations(&mut self) -> Result<()> {
        let (app, id) = (self.by.app().clone(), self.report.user_id);
        let tenant = app.tenant();
        loop {
            let now = app.now();
            let found = rows::invitations(&tenant, &app.store, id, (now, AT_ONCE)).await?;
            if found.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            for (invitation, team) in found {
                rows::revoke_invitation_with(&tenant, &mut batch, (invitation, id), now);
                let note = self.note(Told::InvitationRevoked).on("invitation", invitation);
                note.of_team(team).write(&tenant, &mut batch);
                self.report.ended.invitations += 1;
            }
            self.write(batch).await?;
        }
    }

    /// Takes them out of their teams. Of each somebody else is an admin who may come in: that was made sure.
    pub(super) async fn leave_teams(&mut self) -> Result<()> {
        let (app, id) = (self.by.app().clone(), self.report.user_id);
        let tenant = app.tenant();
        loop {
            let found = memberships::of_user(&tenant, &app.store, id).await?;
            if found.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            for membership in found.into_iter().take(usize::try_from(AT_ONCE).unwrap_or(1)) {
                let team = membership.team_id;
                rows::leave_with(&tenant, &mut batch, (team, id));
                let note = self.note(Told::MembershipRemoved).on("team", team).of_team(team);
                note.with("role_before", membership.role.as_str()).write(&tenant, &mut batch);
                self.report.ended.memberships += 1;
            }
            self.write(batch).await?;
        }
    }
}
