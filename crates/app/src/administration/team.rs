//! Teams, for whoever has the machine.

use retinue_model::audit::Action as Told;
use retinue_model::membership::{Membership, Origin, Role};
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Name, Result, Slug};
use retinue_store::{Batch, membership as memberships, team as teams};

use super::Administration;

impl Administration {
    /// Makes a team that nobody belongs to yet.
    ///
    /// # Errors
    /// `slug_taken`.
    pub async fn create_team(&self, name: Name, slug: Option<Slug>) -> Result<Team> {
        let (now, name) = (self.now(), String::from(name));
        let slug = slug.unwrap_or_else(|| Slug::of_name(&name, "team"));
        let team = Team { id: self.new_id(), slug, name, created_at: now, updated_at: now };
        let mut batch = Batch::default();
        teams::insert_with(&Self::tenant(), &mut batch, &team);
        let note = self.note(Told::TeamCreated).on("team", team.id).of_team(team.id);
        note.with("name", team.name.clone()).with("slug", team.slug.as_str()).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await?;
        Ok(team)
    }

    /// The team with this short name.
    ///
    /// # Errors
    /// `invalid_slug`, `not_found`.
    pub async fn find_team(&self, slug: &str) -> Result<Team> {
        let found = teams::by_slug(&Self::tenant(), &self.store, &Slug::new(slug)?).await?;
        found.ok_or_else(teams::missing)
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
        memberships::insert_with(&Self::tenant(), &mut batch, &membership);
        let note = self.note(Told::MembershipAdded).on("team", team.id).of_team(team.id).about(user.id);
        note.with("role", role.as_str()).write(&Self::tenant(), &mut batch);
        self.revoke_with(&mut batch, user.id);
        self.store.write(batch).await
    }
}
