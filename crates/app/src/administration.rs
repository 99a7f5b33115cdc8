//! What whoever has the machine may do to people, beside a running server: add them, shut them out, give them a password.
//! A running server hears of it within a second.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::credential::{Credential, PasswordHash};
use retinue_model::error::Kind;
use retinue_model::id::{Id, Noun};
use retinue_model::one_time_token::{OneTimeToken, Purpose};
use retinue_model::principal::{DEFAULT_ORGANIZATION, LOCAL_USER};
use retinue_model::team::Team;
use retinue_model::user::User;
use retinue_model::{Email, Error, Name, Result, UserId};
use retinue_store::session::{self, Revocation};
use retinue_store::{Batch, Store, TeamScope, Tenant, credential as credentials, one_time_token, user as users};

mod agent;
mod api_key;
mod audit;
mod invitation;
mod member;
mod person;
mod team;
mod usage;

pub use invitation::Invited;
pub use person::{Membership, Person};
pub use team::Heirs;

use crate::access;
use crate::audit::Note;
use crate::secret::Token;
use crate::{Auth, Clock, Rng, admin, newcomer};

/// How long an invitation is good.
pub const INVITATION_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many users are listed at once.
const PAGE: i64 = 200;

/// The people of an installation, for whoever has the machine.
pub struct Administration {
    store: Store,
    auth: Auth,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl std::fmt::Debug for Administration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Administration").field("store", &self.store).finish_non_exhaustive()
    }
}

fn shut_out() -> Error {
    Error::conflict("user_disabled", "This user is shut out. Let them in first: `retinue user enable`.")
}

/// Somebody who is to be added.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name; that of the address if none.
    pub name: Option<String>,
    /// The address to sign in with.
    pub email: Email,
    /// Whether they run the installation.
    pub admin: bool,
    /// The password; without one they sign in with links.
    pub password: Option<PasswordHash>,
}

/// The address that somebody signs in with.
#[derive(Clone, Debug)]
pub struct WayIn {
    /// The address.
    pub address: Email,
    /// Whether anybody vouches for it: they opened a mail there, or came from a provider that says so.
    pub is_shown: bool,
}

impl Administration {
    /// Over an open database, where people are let in so.
    #[must_use]
    pub fn new(store: Store, auth: Auth, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { store, auth, clock, rng }
    }

    /// What whoever has the machine did.
    fn note(&self, action: Told) -> Note {
        Note::new((self.new_id(), self.now()), (Actor::Operator, "console"), action)
    }

    /// The same, to a user.
    fn note_of(&self, action: Told, user: UserId) -> Note {
        self.note(action).on("user", user).about(user)
    }

    fn tenant() -> Tenant {
        Tenant::default_organization()
    }

    fn team_scope(team: &Team) -> TeamScope {
        access::for_operator(&Self::tenant(), team)
    }

    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn new_id<N: Noun>(&self) -> Id<N> {
        Id::new(crate::context::new_uuid(&*self.rng, &*self.clock))
    }

    /// Adds somebody who signs in with an address.
    ///
    /// # Errors
    /// `address_taken`, `invalid_name`.
    pub async fn add(&self, new: NewUser) -> Result<User> {
        let name = Name::new(new.name.as_deref().unwrap_or_else(|| new.email.local_part()))?.into();
        let user = User {
            id: self.new_id(),
            organization_id: DEFAULT_ORGANIZATION,
            name,
            email: Some(new.email.as_str().to_owned()),
            email_verified: false,
            organization_admin: new.admin,
            disabled_at: None,
            created_at: self.now(),
        };
        let credential = Credential {
            user_id: user.id,
            password_hash: new.password,
            updated_at: user.created_at,
            address: new.email,
        };
        let mut batch = Batch::default();
        let note = self.note(Told::UserCreated);
        newcomer::add_with(
            &Self::tenant(),
            &mut batch,
            (&user, Some(credential.address.key())),
            user.organization_admin,
            note,
        );
        credentials::set_password_with(&Self::tenant(), &mut batch, &credential);
        self.store.write(batch).await?;
        Ok(user)
    }

    /// Who has this id, or is the only one who was given this address here to sign in with, or has shown that it is theirs.
    /// Whoever merely says that an address is theirs must be named by id, though they sign in with it.
    ///
    /// # Errors
    /// `not_found`, `user_ambiguous`.
    pub async fn find(&self, named: &str) -> Result<User> {
        match named.parse() {
            Ok(id) => self.get(id).await,
            Err(_) => self.find_by_address(&Email::new(named)?).await,
        }
    }

    async fn get(&self, id: UserId) -> Result<User> {
        let found = users::get(&Self::tenant(), &self.store, id).await?.filter(|user| user.id != LOCAL_USER);
        found.ok_or_else(|| Error::not_found("user"))
    }

    async fn find_by_address(&self, email: &Email) -> Result<User> {
        let trusted = self.auth.trusted_with_addresses();
        let mut found = users::by_vouched_email(&Self::tenant(), &self.store, &email.key(), &trusted).await?;
        let way_in = credentials::by_address(&Self::tenant(), &self.store, email).await?;
        if let Some(way_in) = way_in.filter(credentials::Found::names_its_user) {
            let user = self.get(way_in.credential.user_id).await?;
            found.retain(|other| other.id != user.id);
            found.push(user);
        }
        match (found.pop(), found.is_empty()) {
            (Some(user), true) => Ok(user),
            (Some(_), false) => Err(Error::conflict(
                "user_ambiguous",
                "Several users have this address. Name one by id: `retinue user list` shows them.",
            )),
            (None, _) => Err(Error::new(
                Kind::NotFound,
                "not_found",
                "There is no such user: nobody was given this address here, or has shown that it is theirs. `retinue user list` shows everybody: name them by id.",
            )),
        }
    }

    /// Everybody, the oldest first; not the user of a server on which nobody signs in.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn list(&self) -> Result<Vec<User>> {
        let mut all: Vec<User> = Vec::new();
        loop {
            let after = all.last().map(|user| (user.created_at, user.id));
            let page = users::list(&Self::tenant(), &self.store, after, PAGE).await?;
            if page.is_empty() {
                all.retain(|user| user.id != LOCAL_USER);
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Shuts somebody out, and ends all their sessions.
    ///
    /// # Errors
    /// What keeps that from being written.
    pub async fn disable(&self, user: &User) -> Result<()> {
        let mut batch = Batch::default();
        users::disable_with(&Self::tenant(), &mut batch, user.id, self.now());
        self.end_sessions_with(&mut batch, user.id);
        self.note_of(Told::UserDisabled, user.id).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await
    }

    /// Lets somebody in again.
    ///
    /// # Errors
    /// What keeps that from being written.
    pub async fn enable(&self, user: &User) -> Result<()> {
        let mut batch = Batch::default();
        let note = self.note(Told::MembershipAdded);
        let place = (&Self::tenant(), &self.store);
        newcomer::let_in_with(place, &mut batch, (user.id, self.now()), note).await?;
        self.note_of(Told::UserEnabled, user.id).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await
    }

    /// Gives somebody another password, and ends all their sessions. Somebody who came from a provider can sign in with
    /// their address from then on.
    ///
    /// # Errors
    /// `address_taken`, or `invalid_email` if they have no address.
    pub async fn set_password(&self, user: &User, hash: PasswordHash) -> Result<()> {
        let credential = Credential {
            user_id: user.id,
            address: Email::new(user.email.as_deref().unwrap_or_default())?,
            password_hash: Some(hash),
            updated_at: self.now(),
        };
        let mut batch = Batch::default();
        credentials::set_password_with(&Self::tenant(), &mut batch, &credential);
        self.end_sessions_with(&mut batch, user.id);
        self.note_of(Told::PasswordSet, user.id).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await
    }

    /// The address that somebody signs in with, or will once they have a password.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn way_in(&self, user: &User) -> Result<Option<WayIn>> {
        if let Some(found) = credentials::of_user(&Self::tenant(), &self.store, user.id).await? {
            return Ok(Some(WayIn { address: found.credential.address, is_shown: found.address_verified }));
        }
        let claimed = user.email.as_deref().and_then(|email| Email::new(email).ok());
        Ok(claimed.map(|address| WayIn { address, is_shown: user.email_verified }))
    }

    /// Lets somebody run the installation.
    ///
    /// # Errors
    /// What keeps that from being written.
    pub async fn grant_admin(&self, user: &User) -> Result<()> {
        let mut batch = Batch::default();
        self.make_admin_with(&mut batch, user.id, true);
        self.store.write(batch).await
    }

    /// Lets somebody run the installation no longer.
    ///
    /// # Errors
    /// `not_admin`; `last_admin` if nobody else runs the installation.
    pub async fn revoke_admin(&self, user: &User) -> Result<()> {
        if !user.organization_admin {
            return Err(Error::conflict(
                "not_admin",
                "Nobody made this user an administrator here. Whoever `auth.admins` declares is one for as long as it does.",
            ));
        }
        let mut batch = Batch::default();
        admin::keep_one_with((&self.auth, &self.store), &mut batch, user.id).await?;
        self.make_admin_with(&mut batch, user.id, false);
        self.store.write(batch).await
    }

    fn make_admin_with(&self, batch: &mut Batch, user: UserId, admin: bool) {
        let told = if admin { Told::AdminGranted } else { Told::AdminRevoked };
        self.note_of(told, user).write(&Self::tenant(), batch);
        users::make_admin_with(&Self::tenant(), batch, user, (admin, self.now()));
        self.revoke_with(batch, user);
    }

    /// Ends all sessions of a user, and makes every link worthless that they have, when the batch is written.
    fn end_sessions_with(&self, batch: &mut Batch, user: UserId) {
        for purpose in [Purpose::EmailChange, Purpose::PasswordReset, Purpose::MagicLink] {
            one_time_token::close_of_user_with(&Self::tenant(), batch, (purpose, user), (None, self.now()));
        }
        session::end_others_with(&Self::tenant(), batch, user, (None, self.now()));
        self.revoke_with(batch, user);
    }

    /// Tells a running server that something of a user is another now, when the batch is written.
    fn revoke_with(&self, batch: &mut Batch, user: UserId) {
        let revocation = Revocation { id: crate::context::new_uuid(&*self.rng, &*self.clock), user, session: None };
        session::revoke_with(&Self::tenant(), batch, &revocation, self.now());
    }

    /// Tells that whoever has the machine made another key of the instance, and how many of those before count no more.
    ///
    /// # Errors
    /// What keeps that from being written.
    pub async fn tell_of_new_key(&self, dropped: usize) -> Result<()> {
        let mut batch = Batch::default();
        self.note(Told::KeysRotated).with("dropped", dropped).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await
    }

    /// A token by which whoever has it may become a user with this address, once, within a week.
    ///
    /// # Errors
    /// `address_taken`.
    pub async fn invite(&self, email: &Email) -> Result<String> {
        if credentials::by_address(&Self::tenant(), &self.store, email).await?.is_some() {
            return Err(Error::conflict("address_taken", "Somebody signs in with this address already."));
        }
        let (token, now) = (Token::new(&*self.rng), self.now());
        let row = OneTimeToken {
            id: self.new_id(),
            user_id: None,
            purpose: Purpose::Invitation,
            token_hash: token.hash(),
            code_hash: None,
            attempts: 0,
            address: email.clone(),
            created_at: now,
            expires_at: now.saturating_add(INVITATION_LASTS).map_err(Error::internal)?,
            used_at: None,
        };
        let mut batch = Batch::default();
        one_time_token::insert_with(&Self::tenant(), &mut batch, &row);
        let note =
            self.note(Told::InvitationCreated).on("account_invitation", row.id).with("for_address", email.masked());
        note.with("expires_at", row.expires_at.to_string()).write(&Self::tenant(), &mut batch);
        self.store.write(batch).await?;
        Ok(token.expose())
    }

    /// Gives the conversations from before people signed in to somebody; how many those were.
    ///
    /// # Errors
    /// `user_disabled`; `run_in_progress` while an answer is under way in one of them.
    pub async fn transfer_threads(&self, to: &User) -> Result<i64> {
        if to.disabled_at.is_some() {
            return Err(shut_out());
        }
        let count = users::count_threads(&Self::tenant(), &self.store, LOCAL_USER).await?;
        let mut batch = Batch::default();
        users::require_idle_with(&Self::tenant(), &mut batch, LOCAL_USER);
        users::hand_over_with(&Self::tenant(), &mut batch, LOCAL_USER, to.id);
        let note = self.note(Told::ThreadsTransferred).on("user", LOCAL_USER).about(to.id);
        note.with("threads", count).write(&Self::tenant(), &mut batch);
        self.store.write_alone(batch).await?;
        Ok(count)
    }
}
