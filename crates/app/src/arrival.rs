//! Somebody who comes from a provider: who that is here, and what is written down when they come in.
//!
//! Issuer and subject are who somebody is. An address makes nobody anybody, unless the configuration says so for this
//! provider, the provider vouches for it, and exactly one user has it.

use jiff::Timestamp;
use retinue_model::audit::{Action as Told, Actor};
use retinue_model::error::Kind;
use retinue_model::identity::{Identity, Origin};
use retinue_model::session::Method;
use retinue_model::user::User;
use retinue_model::{Error, Result, UserId, email};
use retinue_oidc::SignIn;
use retinue_store::logout_token::{self, Opening};
use retinue_store::membership::by_rule;
use retinue_store::session::Kept;
use retinue_store::{Batch, identity as identities, user as users};
use secrecy::ExposeSecret;

use crate::audit::Note;
use crate::auth::{Provision, SignInProvider};
use crate::group_rule::{self, Member, Said};
use crate::notice::Change;
use crate::session::{self, Opened, SignedIn};
use crate::{Context, Visit, admin, audit, newcomer, proof, refresh};

/// How often it is looked again who somebody is, when others write the same down at the same moment.
const TRIES: usize = 3;

fn unknown() -> Error {
    Error::new(
        Kind::Forbidden,
        "user_unknown",
        "The identity provider knows you, but nobody has given you access here. Ask whoever runs this server for it.",
    )
}

fn taken() -> Error {
    Error::conflict("identity_taken", "This identity belongs to another user here, so it was not added to you.")
}

/// The code at the provider is spent by now.
fn overtaken() -> Error {
    Error::conflict(
        "sign_in_overtaken",
        "Others wrote down who you are here at this very moment, so you were not signed in. Begin it again.",
    )
}

/// Who somebody is here.
struct Decided {
    user: User,
    identity: Identity,
    /// What somebody who was there before is to hear of.
    change: Option<Change>,
    /// They become a user now.
    is_new: bool,
}

/// Somebody whom a provider vouches for, at the door.
pub(crate) struct Arrival<'a> {
    pub(crate) visit: &'a Visit,
    pub(crate) configured: &'a SignInProvider,
    pub(crate) signed_in: &'a SignIn,
    pub(crate) began_at: Timestamp,
    /// When the provider was asked who this is.
    pub(crate) asked_at: Timestamp,
    /// Whether the provider was asked to have them show anew who they are.
    pub(crate) asked_anew: bool,
}

impl Arrival<'_> {
    fn subject(&self) -> (&str, &str) {
        (&self.signed_in.issuer, &self.signed_in.person.subject)
    }

    async fn find(&self) -> Result<Option<(Identity, User)>> {
        identities::find(&self.visit.tenant(), &self.visit.store, self.configured.name(), self.subject()).await
    }

    /// Opens a session for whoever this is.
    pub(crate) async fn let_in(&self, current: Option<&Context>) -> Result<Opened> {
        let mut is_known_better = false;
        for _ in 0..TRIES {
            let mut batch = Batch::default();
            let Decided { user, identity, change, is_new } = self.decide(&mut batch).await?;
            if !is_known_better {
                self.apply_rules_with(&mut batch, &identity, is_new).await?;
            }
            let opened = self.open_with(&mut batch, &user, &identity)?;
            match self.visit.store.write(batch).await {
                // Somebody wrote down a moment ago what makes this another one: look again, with all checks.
                Err(error) if identities::is_passing(&error) || by_rule::is_passing(&error) => {}
                Err(error) if identities::is_known_better(&error) => is_known_better = true,
                other => {
                    other?;
                    // What a session of this person says of them may be another now.
                    session::look_again(self.visit.app(), user.id).await;
                    session::replace(current).await;
                    self.log(user.id, identity.origin);
                    self.visit.tell(user.id, change).await;
                    return Ok(opened);
                }
            }
        }
        Err(overtaken())
    }

    /// What the groups that the provider says they are in make of their memberships.
    async fn apply_rules_with(&self, batch: &mut Batch, identity: &Identity, is_new: bool) -> Result<()> {
        let said = Said { groups: &self.signed_in.person.groups, by: Some(identity.id), asked_at: self.asked_at };
        let member = Member { user: identity.user_id, provider: self.configured.name(), said, is_new };
        let note = |told| self.visit.note((Actor::Provider, group_rule::VIA), told);
        group_rule::apply_with(self.visit.app(), batch, member, note).await.map(drop)
    }

    /// Who this is here. What that changes is added to the batch; nothing is, if they are refused.
    async fn decide(&self, batch: &mut Batch) -> Result<Decided> {
        let tenant = self.visit.tenant();
        if let Some((identity, user)) = self.find().await? {
            let (user, identity) = self.come_back(batch, identity, user)?;
            return Ok(Decided { user, identity, change: None, is_new: false });
        }
        if let Some(user) = self.same_address().await? {
            let identity = self.new_identity(user.id, Origin::Email);
            identities::link_with(&tenant, batch, &identity, &self.visit.auth.trusted_with_addresses());
            self.added_note(self.visit.note_of(user.id, Method::Oidc, Told::IdentityAdded), &identity)
                .write(&tenant, batch);
            return Ok(Decided { user, identity, change: Some(self.added()), is_new: false });
        }
        if self.configured.provision == Provision::Never {
            return Err(unknown());
        }
        let person = &self.signed_in.person;
        let user = User {
            id: self.visit.new_id(),
            organization_id: retinue_model::principal::DEFAULT_ORGANIZATION,
            name: self.name(),
            email: person.email.clone(),
            email_verified: person.email_verified,
            organization_admin: false,
            disabled_at: None,
            created_at: self.visit.now(),
        };
        let identity = self.new_identity(user.id, Origin::SignIn);
        let note = self
            .visit
            .note((Actor::User(user.id), "session"), Told::UserCreated)
            .with("provider", self.configured.name());
        newcomer::add_with(&tenant, batch, (&user, self.email_key()), self.is_declared_admin(), note);
        identities::insert_with(&tenant, batch, &identity);
        Ok(Decided { user, identity, change: None, is_new: true })
    }

    fn come_back(&self, batch: &mut Batch, mut identity: Identity, mut user: User) -> Result<(User, Identity)> {
        if user.disabled_at.is_some() {
            return Err(users::disabled());
        }
        let (tenant, person) = (self.visit.tenant(), &self.signed_in.person);
        identity.last_used_at = self.visit.now();
        (identity.email, identity.email_verified) = (person.email.clone(), person.email_verified);
        identities::used_with(&tenant, batch, &identity);
        // The identity that a user was made for goes on describing them; one that was added later does not.
        if identity.origin == Origin::SignIn {
            let described = users::Description {
                name: person.name.clone().unwrap_or_else(|| user.name.clone()),
                email: person.email.clone(),
                email_key: self.email_key(),
                email_verified: person.email_verified,
            };
            users::describe_with(&tenant, batch, user.id, &described, self.visit.now());
            if described.differs_from(&user) {
                session::revoke_with(self.visit.app(), batch, user.id, None);
            }
            if described.email != user.email {
                let note = self.visit.note((Actor::Provider, Method::Oidc.as_str()), Told::AddressChanged);
                note.on("user", user.id).about(user.id).with("provider", self.configured.name()).write(&tenant, batch);
            }
            (user.name, user.email, user.email_verified) = (described.name, described.email, described.email_verified);
        }
        Ok((user, identity))
    }

    /// The one user who has the same address, if that makes somebody that user. What holds now must hold when it is written
    /// down: see [`identities::link_with`].
    async fn same_address(&self) -> Result<Option<User>> {
        let (Some(key), true, true) =
            (self.email_key(), self.configured.link_by_email, self.signed_in.person.email_verified)
        else {
            return Ok(None);
        };
        let (tenant, store) = (self.visit.tenant(), &self.visit.store);
        // Anybody could have come by another provider, with this address, to wait for its owner: they count for nothing.
        let trusted = self.visit.auth.trusted_with_addresses();
        let mut users = users::by_vouched_email(&tenant, store, &key, &trusted).await?;
        let (Some(user), true) = (users.pop(), users.is_empty()) else { return Ok(None) };
        if user.disabled_at.is_some() {
            return Err(users::disabled());
        }
        let others = identities::of_user(&tenant, store, user.id).await?;
        let has_other_subject = others.iter().any(|other| other.issuer == self.signed_in.issuer);
        Ok(Some(user).filter(|_| !has_other_subject))
    }

    /// Gives this identity to somebody who is signed in, and still is when it is written down.
    ///
    /// # Errors
    /// `sign_in_again`: they may have left the browser at the provider, for somebody else to choose an account there.
    /// `identity_taken`, `session_ended`, `user_disabled`.
    pub(crate) async fn add_to(&self, ctx: &Context) -> Result<()> {
        proof::require_still(ctx)?;
        let mine = ctx.principal().user_id();
        if let Some((identity, _)) = self.find().await? {
            return if identity.user_id == mine { Ok(()) } else { Err(taken()) };
        }
        let (tenant, mut batch) = (self.visit.tenant(), Batch::default());
        session::require_asking_with(ctx, &mut batch)?;
        let identity = self.new_identity(mine, Origin::User);
        identities::insert_with(&tenant, &mut batch, &identity);
        self.added_note(ctx.note(Told::IdentityAdded).about(mine), &identity).write(&tenant, &mut batch);
        let written = self.visit.store.write(batch).await;
        written.map_err(|error| if identities::is_taken(&error) { taken() } else { error })?;
        session::look_again(self.visit.app(), mine).await;
        self.log(mine, Origin::User);
        self.visit.tell(mine, [self.added()]).await;
        Ok(())
    }

    fn added_note(&self, note: Note, identity: &Identity) -> Note {
        let note = note.on("identity", identity.id).with("provider", self.configured.name());
        note.with("subject", audit::subject(&identity.subject)).with("origin", identity.origin.as_str())
    }

    fn added(&self) -> Change {
        Change::IdentityAdded(self.configured.label.clone())
    }

    fn new_identity(&self, user_id: UserId, origin: Origin) -> Identity {
        let (issuer, subject) = self.subject();
        let (person, now) = (&self.signed_in.person, self.visit.now());
        Identity {
            id: self.visit.new_id(),
            user_id,
            provider: self.configured.name().to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            email: person.email.clone(),
            email_verified: person.email_verified,
            origin,
            created_at: now,
            last_used_at: now,
        }
    }

    /// Whether the configuration says that whoever this is runs the installation.
    fn is_declared_admin(&self) -> bool {
        let ((issuer, subject), person) = (self.subject(), &self.signed_in.person);
        let trusted = self.visit.auth.trusted_with_addresses().has(self.configured.name(), issuer);
        let key = self.email_key().filter(|_| trusted && person.email_verified);
        admin::declares(&self.visit.auth, (issuer, subject), key.as_deref())
    }

    fn name(&self) -> String {
        let person = &self.signed_in.person;
        person.name.clone().or_else(|| person.email.clone()).unwrap_or_else(|| "Unnamed".to_owned())
    }

    /// The address as it is compared.
    fn email_key(&self) -> Option<String> {
        self.signed_in.person.email.as_deref().and_then(email::key)
    }

    fn open_with(&self, batch: &mut Batch, user: &User, identity: &Identity) -> Result<Opened> {
        let (visit, tokens) = (self.visit, &self.signed_in.tokens);
        let id = visit.new_id();
        let seal = |purpose: String, token: &secrecy::SecretString| {
            visit.keys().seal(&*visit.rng, &purpose, token.expose_secret())
        };
        let refresh_token =
            tokens.refresh_token.as_ref().map(|token| seal(refresh::refresh_purpose(id), token)).transpose()?;
        let refresh_at = visit.now().saturating_add(self.configured.refresh_every).ok();
        let kept = Kept {
            provider_session: self.signed_in.session.clone(),
            id_token: tokens.id_token.as_ref().map(|token| seal(refresh::hint_purpose(id), token)).transpose()?,
            refresh_at: refresh_at.filter(|_| refresh_token.is_some()),
            refresh_token,
        };
        let how = SignedIn {
            id,
            method: Method::Oidc,
            identity: Some(identity.id),
            provider: Some(self.configured.name().to_owned()),
            proved_at: self.proved_at(),
            address: None,
            kept,
        };
        let opened = session::open_with(visit, batch, user, how)?;
        let opening = Opening {
            session: id,
            provider: self.configured.name(),
            subject: self.subject().1,
            provider_session: self.signed_in.session.as_deref(),
            began_at: self.began_at,
        };
        logout_token::refuse_signed_out_with(&visit.tenant(), batch, &opening);
        Ok(opened)
    }

    /// When they showed at the provider who they are. One that does not say is believed when it was asked for it.
    fn proved_at(&self) -> Option<Timestamp> {
        let now = self.visit.now();
        match self.signed_in.authenticated_at {
            Some(seconds) => Timestamp::from_second(seconds).ok().map(|at| at.min(now)),
            None => self.asked_anew.then_some(now),
        }
    }

    fn log(&self, user: UserId, origin: Origin) {
        tracing::info!(
            provider = self.configured.name(),
            subject = audit::subject(&self.signed_in.person.subject),
            %user,
            identity = origin.as_str(),
            address = self.visit.caller().address_text(),
            request_id = self.visit.request_id(),
            "signed in"
        );
    }
}
