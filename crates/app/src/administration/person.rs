//! What there is to know of a user, for whoever has the machine.

use std::collections::HashMap;

use retinue_model::identity::Identity;
use retinue_model::membership::{self, Role};
use retinue_model::offboarding::Contents;
use retinue_model::principal::LOCAL_USER;
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Result, UserId};
use retinue_store::{identity as identities, membership as memberships, offboarding, team as teams, user as users};

use super::{Administration, PAGE};
use crate::people::Sought;

/// That a user belongs to a team.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The team.
    pub team: Team,
    /// As what, and where that comes from.
    pub membership: membership::Membership,
}

/// A user, with what is theirs.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user.
    pub user: User,
    /// By which identities they come in.
    pub identities: Vec<Identity>,
    /// Their teams.
    pub memberships: Vec<Membership>,
    /// How much is theirs.
    pub contents: Contents,
}

impl Administration {
    /// The same as [`Self::find`], and where nobody signs in, `local` is its user.
    ///
    /// # Errors
    /// `not_found`, `user_ambiguous`.
    pub async fn find_any(&self, named: &str) -> Result<User> {
        let is_local = named == "local" || named.parse::<UserId>().is_ok_and(|id| id == LOCAL_USER);
        if self.auth.is_single_user() && is_local {
            let found = users::get(&Self::tenant(), &self.store, LOCAL_USER).await?;
            return found.ok_or_else(users::missing);
        }
        self.find(named).await
    }

    /// Everybody, the oldest first, with their teams and what they are in each.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn list_with_teams(&self) -> Result<Vec<(User, Vec<(Team, Role)>)>> {
        let mut all: Vec<(User, Vec<(Team, Role)>)> = Vec::new();
        for page in self.list().await?.chunks(PAGE.unsigned_abs().try_into().unwrap_or(1)) {
            let place = |user: &User| (user.created_at, user.id);
            let Some(ends) = page.first().map(place).zip(page.last().map(place)) else { continue };
            let mut teams: HashMap<UserId, Vec<(Team, Role)>> = HashMap::new();
            for (user, team, role) in memberships::of_users(&Self::tenant(), &self.store, ends).await? {
                teams.entry(user).or_default().push((team, role));
            }
            all.extend(page.iter().map(|user| (user.clone(), teams.remove(&user.id).unwrap_or_default())));
        }
        Ok(all)
    }

    /// Those who are sought, with their teams and what they are in each.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn search_with_teams(&self, sought: &Sought) -> Result<Vec<(User, Vec<(Team, Role)>)>> {
        let tenant = Self::tenant();
        let mut all = Vec::new();
        for user in sought.all((&tenant, &self.store), PAGE).await? {
            if user.id != LOCAL_USER {
                let place = (user.created_at, user.id);
                let teams = memberships::of_users(&tenant, &self.store, (place, place)).await?;
                all.push((user, teams.into_iter().map(|(_, team, role)| (team, role)).collect()));
            }
        }
        Ok(all)
    }

    /// What there is to know of a user.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn person(&self, user: User) -> Result<Person> {
        let tenant = Self::tenant();
        let mut found = Vec::new();
        for membership in memberships::of_user(&tenant, &self.store, user.id).await? {
            if let Some(team) = teams::get(&tenant, &self.store, membership.team_id).await? {
                found.push(Membership { team, membership });
            }
        }
        Ok(Person {
            identities: identities::of_user(&tenant, &self.store, user.id).await?,
            memberships: found,
            contents: offboarding::count(&tenant, &self.store, user.id, self.now()).await?,
            user,
        })
    }
}
