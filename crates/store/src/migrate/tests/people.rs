//! Others than the local user, with all that is kept of somebody.

use jiff::Timestamp;
use retinue_model::credential::{Credential, PasswordHash};
use retinue_model::event::{Data, Event, Name};
use retinue_model::identity::{Identity, Origin};
use retinue_model::message::{Message, Role};
use retinue_model::one_time_token::{OneTimeToken, Purpose};
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::run::{Outcome, Run, Status, Usage};
use retinue_model::session::{Method, Session};
use retinue_model::thread::Thread;
use retinue_model::usage;
use retinue_model::user::User;
use retinue_model::{AgentId, Email, IdentityId, MessageId, OneTimeTokenId, RunId, SessionId, ThreadId, UserId};
use uuid::Uuid;

use super::sharing;
use crate::logout_token::{Taken, Whom};
use crate::session::{Kept, Revocation};
use crate::{
    Batch, Scope, Store, Tenant, credential, identity, logout_token, message, one_time_token, run, session, thread,
    user,
};

pub(super) const US: Tenant = Tenant::default_organization();
pub(super) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Tables that release 0.1 does not have.
pub(super) const TABLES: [&str; 8] = [
    "organizations",
    "users",
    "identities",
    "credentials",
    "sessions",
    "one_time_tokens",
    "revocations",
    "logout_tokens",
];

/// Somebody comes in, with everything that one can have, and talks. `number` tells them from others.
pub(super) async fn come(store: &Store, number: u128) {
    let mut batch = Batch::default();
    let somebody = Somebody(number);
    somebody.enter(&mut batch);
    somebody.talk(&mut batch);
    store.write(batch).await.unwrap();
}

/// Whose ids all have this number.
struct Somebody(u128);

impl Somebody {
    const fn uuid(&self) -> Uuid {
        // Beyond those of the conversations of before.
        Uuid::from_u128(self.0 << 64)
    }

    const fn user_id(&self) -> UserId {
        UserId::new(self.uuid())
    }

    fn address(&self) -> Email {
        Email::new(&format!("somebody{}@example.com", self.0)).unwrap()
    }

    fn enter(&self, batch: &mut Batch) {
        let key = self.address().key();
        user::insert_with(&US, batch, &self.user(), Some(key));
        logout_token::take_with(&US, batch, &self.logout_token());
        identity::insert_with(&US, batch, &self.identity());
        session::insert_with(&US, batch, &self.session(), self.kept());
        let password_hash = Some(PasswordHash::new("$argon2id$…".to_owned()));
        let user_id = self.user_id();
        let credential = Credential { user_id, address: self.address(), password_hash, updated_at: NOW };
        credential::set_password_with(&US, batch, &credential);
        one_time_token::insert_with(&US, batch, &self.one_time_token());
        let revocation = Revocation { id: Uuid::from_u128(self.0), user: user_id, session: None };
        session::revoke_with(&US, batch, &revocation, NOW);
    }

    fn user(&self) -> User {
        User {
            id: self.user_id(),
            organization_id: DEFAULT_ORGANIZATION,
            name: format!("Somebody {}", self.0),
            email: Some(self.address().to_string()),
            email_verified: true,
            organization_admin: true,
            disabled_at: None,
            created_at: NOW,
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            id: IdentityId::new(self.uuid()),
            user_id: self.user_id(),
            provider: "sso".to_owned(),
            issuer: "https://idp.example.com".to_owned(),
            subject: self.0.to_string(),
            email: Some(self.address().to_string()),
            email_verified: true,
            origin: Origin::SignIn,
            created_at: NOW,
            last_used_at: NOW,
        }
    }

    fn session(&self) -> Session {
        Session {
            id: SessionId::new(self.uuid()),
            organization_id: DEFAULT_ORGANIZATION,
            user_id: self.user_id(),
            identity_id: Some(IdentityId::new(self.uuid())),
            method: Method::Oidc,
            user_agent: "curl".to_owned(),
            address: "192.0.2.1".to_owned(),
            proved_at: Some(NOW),
            created_at: NOW,
            last_seen_at: NOW,
            expires_at: NOW,
        }
    }

    fn kept(&self) -> Kept {
        Kept {
            provider_session: Some(format!("theirs {}", self.0)),
            id_token: Some("hint".to_owned()),
            refresh_token: Some("token".to_owned()),
            refresh_at: Some(NOW),
        }
    }

    fn one_time_token(&self) -> OneTimeToken {
        OneTimeToken {
            id: OneTimeTokenId::new(self.uuid()),
            user_id: Some(self.user_id()),
            purpose: Purpose::MagicLink,
            token_hash: [u8::try_from(self.0).unwrap(); 32],
            code_hash: Some([1; 32]),
            attempts: 1,
            address: self.address(),
            created_at: NOW,
            expires_at: NOW,
            used_at: None,
        }
    }

    fn logout_token(&self) -> Taken {
        Taken {
            id: self.uuid(),
            provider: "sso".to_owned(),
            issuer: "https://idp.example.com".to_owned(),
            token_id: self.0.to_string(),
            whom: Whom::Subject(self.0.to_string()),
            taken_at: NOW,
            expires_at: NOW,
        }
    }

    fn talk(&self, batch: &mut Batch) {
        let theirs = Scope::of_row(DEFAULT_ORGANIZATION, self.user_id());
        let (thread_id, run_id, agent_id) =
            (ThreadId::new(self.uuid()), RunId::new(self.uuid()), AgentId::new(self.uuid()));
        let title = Some(format!("Private title{}", self.0));
        let team_id = sharing::found_team(batch, self.user_id());
        let thread = Thread { id: thread_id, title, team_id, agent_id, model: None, created_at: NOW, updated_at: NOW };
        thread::insert_with(&theirs, batch, &thread);
        let said = Message {
            id: MessageId::new(self.uuid()),
            thread_id,
            run_id: None,
            role: Role::User,
            content: format!("Private plans{}", self.0),
            created_at: NOW,
        };
        message::insert_with(&theirs, batch, &said);
        let run = Run {
            id: run_id,
            thread_id,
            input_message_id: said.id,
            agent_id,
            agent_version: Some(1),
            api_key_id: None,
            model: "echo".to_owned(),
            status: Status::Running,
            error: None,
            usage: None,
            created_at: NOW,
            started_at: Some(NOW),
            finished_at: None,
        };
        let pen = run::insert_with(&theirs, batch, &run, None);
        batch.event(&pen, Event::new(run_id, 1, Name::RunStarted, &Data::Started { model: "echo" }, NOW).unwrap());
        let usage = Usage { input_tokens: 5, output_tokens: 7 };
        run::finish_with(&pen, batch, (&Outcome::Completed, Some(usage), usage::Taken::Counted(usage)), NOW);
    }
}
