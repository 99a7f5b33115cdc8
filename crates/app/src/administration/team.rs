//! Teams, for whoever has the machine.

use retinue_model::audit::Action as Told;
use retinue_model::error::Kind;
use retinue_model::team::{DEFAULT_TEAM, Team};
use retinue_model::{Error, Name, Result, Slug};
use retinue_store::team::{self as rows, Place};
use retinue_store::{Batch, agent as agents, api_key as keys};

use super::{Administration, PAGE};
use crate::team::{self, Change, Contents};

/// What becomes of what a team has, when it is deleted.
#[derive(Clone, Debug)]
pub enum Heirs {
    /// Its agents become another team's, and conversations count for that one.
    Team(Team),
    /// Its agents are deleted. Conversations stay whose they are, and count for the default team.
    Nobody,
}

impl Administration {
    /// All teams, the oldest first.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn teams(&self) -> Result<Vec<Team>> {
        let mut all: Vec<Team> = Vec::new();
        loop {
            let after = all.last().map(|last| Place { created_at: last.created_at, id: last.id });
            let page = rows::list(&Self::tenant(), &self.store, after, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Makes a team that nobody belongs to yet.
    ///
    /// # Errors
    /// `slug_taken`, `name_taken`.
    pub async fn create_team(&self, name: Name, slug: Option<Slug>) -> Result<Team> {
        let (now, name) = (self.now(), String::from(name));
        let slug = slug.unwrap_or_else(|| Slug::of_name(&name, "team"));
        let team = Team { id: self.new_id(), slug, name, created_at: now, updated_at: now };
        let mut batch = Batch::default();
        rows::insert_with(&Self::tenant(), &mut batch, &team);
        let note = self.note(Told::TeamCreated).on("team", team.id).of_team(team.id);
        note.with("name", team.name.clone()).with("slug", team.slug.as_str()).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await?;
        Ok(team)
    }

    /// The team with this id or this short name.
    ///
    /// # Errors
    /// `invalid_slug`, `not_found`.
    pub async fn find_team(&self, named: &str) -> Result<Team> {
        let found = match named.parse() {
            Ok(id) => rows::get(&Self::tenant(), &self.store, id).await?,
            Err(_) => rows::by_slug(&Self::tenant(), &self.store, &Slug::new(named)?).await?,
        };
        found.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                "not_found",
                "There is no such team. `retinue team list` shows them: name one by its short name or its id.",
            )
        })
    }

    /// Gives a team another name.
    ///
    /// # Errors
    /// `slug_taken`, `name_taken`, `not_found`.
    pub async fn rename_team(&self, team: &Team, change: Change) -> Result<Team> {
        let name = change.name.map(String::from).filter(|name| *name != team.name);
        let slug = change.slug.filter(|slug| *slug != team.slug);
        if name.is_none() && slug.is_none() {
            return Ok(team.clone());
        }
        let mut batch = Batch::default();
        team::note_change(self.note(Told::TeamChanged), team, (name.as_deref(), slug.as_ref()))
            .write(&Self::tenant(), &mut batch);
        rows::change_with(&Self::team_scope(team), &mut batch, (name, slug), self.now());
        self.store.write(batch).await?;
        self.find_team(&team.id.to_string()).await
    }

    /// What would have to go elsewhere if a team were deleted.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn contents_of_team(&self, team: &Team) -> Result<Contents> {
        let scope = Self::team_scope(team);
        let agents = agents::count_of_team(&scope, &self.store).await?;
        Ok(Contents { agents, threads: rows::count_threads(&scope, &self.store).await? })
    }

    /// Deletes a team, with who belongs to it, its invitations and its keys. Nobody loses a conversation by it.
    ///
    /// # Errors
    /// `default_team`; `heir_unknown` if it shall have what it has itself.
    pub async fn delete_team(&self, team: &Team, heirs: Heirs) -> Result<()> {
        if team.id == DEFAULT_TEAM {
            return Err(team::default_stays());
        }
        let heir = match &heirs {
            Heirs::Team(heir) if heir.id == team.id => {
                return Err(Error::invalid("heir_unknown", "Name another team for what this one has."));
            }
            Heirs::Team(heir) => (true, heir.id),
            Heirs::Nobody => (false, DEFAULT_TEAM),
        };
        let mut batch = Batch::default();
        if let Heirs::Team(heir) = &heirs {
            rows::hold_with(&Self::team_scope(heir), &mut batch);
        }
        let note = self.note(Told::TeamDeleted).with("name", team.name.clone());
        team::delete_with((&Self::tenant(), &Self::team_scope(team)), &mut batch, (heir, self.now()), note);
        for owner in keys::owners(&Self::team_scope(team), &self.store).await? {
            self.revoke_with(&mut batch, owner);
        }
        self.store.write_alone(batch).await
    }
}
