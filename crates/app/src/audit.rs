//! What the audit trail says: each note is written in the batch that does what it tells of.

use std::fmt;

use jiff::Timestamp;
use retinue_model::audit::{Action, Actor, AuditEvent, Outcome, Target};
use retinue_model::principal::Via;
use retinue_model::session::Method;
use retinue_model::{AuditEventId, TeamId, UserId};
use retinue_store::{Batch, Tenant, audit as rows};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::context::Inner;
use crate::visit::Caller;
use crate::{Context, Visit, trail};

/// A subject, as it may stand in a log: the first 12 hex digits of its SHA-256.
pub(crate) fn subject(subject: &str) -> String {
    trail::hex(&Sha256::digest(subject.as_bytes())[..6])
}

/// What is to be noted, until it is added to a batch.
#[must_use = "nothing is noted until it is added to a batch"]
#[derive(Clone, Debug)]
pub(crate) struct Note {
    event: AuditEvent,
    details: Map<String, Value>,
}

impl Note {
    /// That somebody did something; `id` is new, and `at` is now.
    pub(crate) fn new((id, at): (AuditEventId, Timestamp), (actor, via): (Actor, &str), action: Action) -> Self {
        let event = AuditEvent {
            id,
            at,
            actor,
            via: via.to_owned(),
            via_id: None,
            action,
            target: None,
            user_id: None,
            team_id: None,
            outcome: Outcome::Done,
            reason: None,
            details: None,
            request_id: None,
            address: None,
        };
        Self { event, details: Map::new() }
    }

    /// To what it was done.
    pub(crate) fn on(mut self, kind: &str, id: impl fmt::Display) -> Self {
        self.event.target = Some(Target { kind: kind.to_owned(), id: id.to_string() });
        self
    }

    /// Whom it concerns.
    pub(crate) fn about(mut self, user: UserId) -> Self {
        self.event.user_id = Some(user);
        self
    }

    /// Whose team's business it is.
    pub(crate) fn of_team(mut self, team: TeamId) -> Self {
        self.event.team_id = Some(team);
        self
    }

    /// What changed, or other things to know, if there is something: short, and never a secret.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.details.insert(name.to_owned(), value);
        }
        self
    }

    /// That it was not done, and the stable code of why.
    pub(crate) fn refused(mut self, reason: &str) -> Self {
        (self.event.outcome, self.event.reason) = (Outcome::Refused, Some(reason.to_owned()));
        self
    }

    fn from(mut self, via_id: Option<String>, request_id: &str, caller: &Caller) -> Self {
        self.event.via_id = via_id;
        self.event.request_id = Some(request_id.to_owned()).filter(|id| !id.is_empty());
        self.event.address = Some(caller.address_text()).filter(|address| !address.is_empty());
        self
    }

    /// Adds it to what is written.
    pub(crate) fn write(self, tenant: &Tenant, batch: &mut Batch) {
        rows::record_with(tenant, batch, self.into_event());
    }

    /// What it says, for what writes it down by itself.
    pub(crate) fn into_event(mut self) -> AuditEvent {
        if !self.details.is_empty() {
            self.event.details = Some(Value::Object(self.details).to_string());
        }
        self.event
    }
}

impl Inner {
    /// What nobody asked for just now, and was done all the same.
    pub(crate) fn note(&self, actor: (Actor, &str), action: Action) -> Note {
        Note::new((self.new_id(), self.now()), actor, action)
    }
}

impl Context {
    /// What whoever asks did.
    pub(crate) fn note(&self, action: Action) -> Note {
        let (actor, via) = (Actor::User(self.principal().user_id()), self.principal().via());
        let id = match via {
            Via::SingleUser => None,
            Via::Session(id) => Some(id.to_string()),
            Via::ApiKey(id) => Some(id.to_string()),
        };
        Note::new((self.new_id(), self.now()), (actor, via.as_str()), action).from(id, self.request_id(), self.caller())
    }
}

impl Visit {
    /// What somebody did who is let in by it, known by what they showed for that.
    pub(crate) fn note_of(&self, user: UserId, by: Method, action: Action) -> Note {
        self.note((Actor::User(user), by.as_str()), action).about(user)
    }

    /// What somebody did of whom nothing is known, or who is let in by it.
    pub(crate) fn note(&self, (actor, via): (Actor, &str), action: Action) -> Note {
        Note::new((self.new_id(), self.now()), (actor, via), action).from(None, self.request_id(), self.caller())
    }
}
