//! An audit event: who did what to what, when, from where, with which outcome.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::id::{AuditEventId, OrganizationId, TeamId, UserId};
use crate::words::schema_of_words;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident as $schema:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        schema_of_words!($name as $schema);

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in storage and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|word| word.as_str() == text)
                    .ok_or_else(|| Error::internal(format!(concat!("unknown ", stringify!($schema), " {:?} in the database"), text)))
            }
        }
    };
}

words! {
    /// What was done, or tried.
    Action as AuditAction {
        /// Somebody signed in.
        SignedIn "session.opened";
        /// Somebody was not let in.
        SignInRefused "session.refused";
        /// A session was ended, by its user, their provider or an administrator.
        SessionEnded "session.ended";
        /// A credential of a program was not accepted.
        CredentialRefused "credential.refused";
        /// Somebody tried what they may not do.
        AccessRefused "access.refused";
        /// Somebody became a user.
        UserCreated "user.created";
        /// Somebody has another name.
        UserChanged "user.changed";
        /// Somebody was shut out.
        UserDisabled "user.disabled";
        /// Somebody was let in again.
        UserEnabled "user.enabled";
        /// What was somebody's was handed over or deleted.
        UserOffboarded "user.offboarded";
        /// Somebody was made an organization admin.
        AdminGranted "admin.granted";
        /// Somebody is no organization admin any more.
        AdminRevoked "admin.revoked";
        /// Another identity leads to a user.
        IdentityAdded "identity.added";
        /// An identity leads to nobody any more.
        IdentityRemoved "identity.removed";
        /// A password was set or changed.
        PasswordSet "password.set";
        /// The address was changed that somebody signs in with, or that their provider says of them.
        AddressChanged "address.changed";
        /// A team was made.
        TeamCreated "team.created";
        /// A team was given another name.
        TeamChanged "team.changed";
        /// A team was deleted.
        TeamDeleted "team.deleted";
        /// Somebody belongs to a team.
        MembershipAdded "membership.added";
        /// Somebody has another role in a team.
        MembershipChanged "membership.changed";
        /// Somebody belongs to a team no more.
        MembershipRemoved "membership.removed";
        /// Somebody was invited.
        InvitationCreated "invitation.created";
        /// An invitation was taken back.
        InvitationRevoked "invitation.revoked";
        /// An invitation was used.
        InvitationAccepted "invitation.accepted";
        /// An agent was made.
        AgentCreated "agent.created";
        /// An agent was changed.
        AgentChanged "agent.changed";
        /// An agent was deleted.
        AgentDeleted "agent.deleted";
        /// That an agent was deleted was taken back.
        AgentRestored "agent.restored";
        /// An API key was made.
        ApiKeyCreated "api_key.created";
        /// An API key was revoked.
        ApiKeyRevoked "api_key.revoked";
        /// A conversation was deleted by its owner.
        ThreadDeleted "thread.deleted";
        /// Conversations of somebody who leaves were deleted.
        ThreadsDeleted "threads.deleted";
        /// Conversations were given to somebody else.
        ThreadsTransferred "threads.transferred";
        /// Somebody may use another number of tokens.
        BudgetChanged "budget.changed";
        /// The configuration says something else than when the server last started.
        SettingChanged "setting.changed";
        /// The keys of the instance were changed.
        KeysRotated "keys.rotated";
        /// A part of this trail was taken out of the server.
        AuditExported "audit.exported";
        /// The oldest part of this trail was deleted, as its retention says.
        AuditForgotten "audit.forgotten";
    }
}

words! {
    /// How it went.
    Outcome as AuditOutcome {
        /// It was done.
        Done "done";
        /// It was refused.
        Refused "refused";
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user.
    User(UserId),
    /// Whoever has the machine, at its command line.
    Operator,
    /// The program itself, as rules and limits of time make it.
    System,
    /// An identity provider.
    Provider,
    /// Somebody of whom nothing is known.
    Stranger,
}

impl Actor {
    /// Its kind in storage and on the wire.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Operator => "operator",
            Self::System => "system",
            Self::Provider => "provider",
            Self::Stranger => "stranger",
        }
    }

    /// The user, if it is one.
    #[must_use]
    pub const fn user_id(self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(id),
            _ => None,
        }
    }

    /// As it is stored.
    ///
    /// # Errors
    /// If there is no such kind, or a user's id beside what is none.
    pub fn read(kind: &str, user: Option<UserId>) -> Result<Self> {
        match (kind, user) {
            ("user", Some(id)) => Ok(Self::User(id)),
            ("operator", None) => Ok(Self::Operator),
            ("system", None) => Ok(Self::System),
            ("provider", None) => Ok(Self::Provider),
            ("stranger", None) => Ok(Self::Stranger),
            _ => Err(Error::internal(format!("unknown actor {kind:?} in the database"))),
        }
    }
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The noun: `team`, `agent`…
    pub kind: String,
    /// The id in its text form, or a name where there is no id.
    pub id: String,
}

/// Who did what to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// The id.
    pub id: AuditEventId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// By what they were known: `session`, `api_key`, `single_user`, `console`…
    pub via: String,
    /// Which of those, if it has an id.
    pub via_id: Option<String>,
    /// What.
    pub action: Action,
    /// To what.
    pub target: Option<Target>,
    /// Whom it concerns besides whoever did it.
    pub user_id: Option<UserId>,
    /// Whose team's business it is.
    pub team_id: Option<TeamId>,
    /// How it went.
    pub outcome: Outcome,
    /// The stable code of why it was refused.
    pub reason: Option<String>,
    /// What changed: a JSON object. Never a secret, and nothing that was said in a conversation.
    pub details: Option<String>,
    /// What the log calls the request.
    pub request_id: Option<String>,
    /// The network address that it came from.
    pub address: Option<String>,
}

/// An event in its place in the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number: 1, 2, 3…
    pub seq: i64,
    /// The event.
    pub event: AuditEvent,
    /// The SHA-256 of the event and of the hash before it.
    pub hash: Vec<u8>,
}

/// The end of an organization's trail, for whoever notes it elsewhere: its hash says something of everything before it.
///
/// Text form: the organization, the number and the hash in hexadecimal, with colons between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose trail.
    pub organization: OrganizationId,
    /// The number of the newest event.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.organization, self.seq)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Head {
    type Err = Error;

    /// # Errors
    /// `invalid_head`
    fn from_str(text: &str) -> Result<Self> {
        let invalid = || {
            Error::invalid("invalid_head", "This is not the head of a trail. One looks like org_01h…:1234:9f86d081….")
        };
        let (organization, rest) = text.trim().split_once(':').ok_or_else(invalid)?;
        let (seq, hash) = rest.split_once(':').ok_or_else(invalid)?;
        let digits: Option<Vec<u8>> =
            hash.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(invalid)?;
        Ok(Self {
            organization: organization.parse().map_err(|_| invalid())?,
            seq: seq.parse().ok().filter(|seq| *seq >= 0).ok_or_else(invalid)?,
            hash: digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head {
            organization: OrganizationId::new(Uuid::from_u128(1)),
            seq: 17,
            hash: (0..=255).step_by(8).collect(),
        };
        let text = head.to_string();
        assert_eq!(text.parse::<Head>().unwrap(), head);
        assert_eq!(format!(" {text}\n").parse::<Head>().unwrap(), head);
        for bad in
            ["", "17", &text[1..], &text[..text.len() - 1], &text.replace(":17:", ":-1:"), &text.replace(":17:", "::")]
        {
            assert_eq!(bad.parse::<Head>().unwrap_err().code(), "invalid_head", "{bad}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written_and_none_stands_twice() {
        let mut names: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        for action in Action::ALL {
            assert_eq!(action.as_str().parse::<Action>().unwrap(), *action);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Action::ALL.len());
        assert!("session.closed".parse::<Action>().is_err());
    }
}
