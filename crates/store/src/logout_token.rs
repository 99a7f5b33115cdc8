//! Logout tokens that were taken: each counts once (OpenID Connect Back-Channel Logout 1.0, section 2.6), ends the sessions
//! that it means, and keeps those from being opened whose sign-ins were under way.

use jiff::Timestamp;
use retinue_model::{Error, Result, SessionId, UserId};
use uuid::Uuid;

use crate::batch::Batch;
use crate::statement::statements;
use crate::value::params;
use crate::{Store, System, Tenant};

pub(crate) mod sql {
    super::statements! {
        INSERT = "INSERT INTO logout_tokens (id, organization_id, provider, token_id, subject, provider_session, taken_at, \
            expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
        FORGET = "DELETE FROM logout_tokens WHERE expires_at < $1";
        PEOPLE_OF_SESSION = "SELECT DISTINCT s.user_id FROM sessions s JOIN identities i ON i.id = s.identity_id \
            WHERE s.provider_session = $1 AND s.ended_at IS NULL AND i.provider = $2 AND i.issuer = $3 \
            AND i.organization_id = $4";
        // Sessions of a subject of which the provider gave no name.
        REVOKE_NAMELESS = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
            SELECT s.id, s.organization_id, s.user_id, s.id, $1 FROM sessions s JOIN identities i ON i.id = s.identity_id \
            WHERE i.subject = $2 AND s.provider_session IS NULL AND s.ended_at IS NULL AND i.provider = $3 \
            AND i.issuer = $4 AND i.organization_id = $5 ON CONFLICT (id) DO NOTHING";
        END_NAMELESS = "UPDATE sessions SET ended_at = $1, id_token = NULL, refresh_token = NULL \
            WHERE ended_at IS NULL AND provider_session IS NULL AND identity_id IN (SELECT i.id FROM identities i \
            WHERE i.subject = $2 AND i.provider = $3 AND i.issuer = $4 AND i.organization_id = $5)";
        PEOPLE_OF_SUBJECT = "SELECT user_id FROM identities \
            WHERE subject = $1 AND provider = $2 AND issuer = $3 AND organization_id = $4";
        // A session ends once, so its id names its end.
        REVOKE_SESSION = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
            SELECT s.id, s.organization_id, s.user_id, s.id, $1 FROM sessions s JOIN identities i ON i.id = s.identity_id \
            WHERE s.provider_session = $2 AND s.ended_at IS NULL AND i.provider = $3 AND i.issuer = $4 \
            AND i.organization_id = $5 ON CONFLICT (id) DO NOTHING";
        REVOKE_SUBJECT = "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
            SELECT $1, organization_id, user_id, NULL, $2 FROM identities \
            WHERE subject = $3 AND provider = $4 AND issuer = $5 AND organization_id = $6 ON CONFLICT (id) DO NOTHING";
        // What is told of a user says what was told of them before.
        SUPERSEDE = "DELETE FROM revocations WHERE session_id IS NULL AND id <> $1 \
            AND user_id = (SELECT r.user_id FROM revocations r WHERE r.id = $1)";
        END_SESSION = "UPDATE sessions SET ended_at = $1, id_token = NULL, refresh_token = NULL \
            WHERE provider_session = $2 AND ended_at IS NULL AND EXISTS (SELECT 1 FROM identities i \
            WHERE i.id = sessions.identity_id AND i.provider = $3 AND i.issuer = $4 AND i.organization_id = $5)";
        END_SUBJECT = "UPDATE sessions SET ended_at = $1, id_token = NULL, refresh_token = NULL \
            WHERE ended_at IS NULL AND identity_id IN (SELECT i.id FROM identities i \
            WHERE i.subject = $2 AND i.provider = $3 AND i.issuer = $4 AND i.organization_id = $5)";
        STILL_IN = "UPDATE sessions SET last_seen_at = last_seen_at WHERE id = $1 AND NOT EXISTS \
            (SELECT 1 FROM logout_tokens t WHERE t.provider = $2 AND t.taken_at >= $3 \
            AND (t.provider_session = $4 OR t.subject = $5 \
            AND (t.provider_session IS NULL OR CAST($4 AS TEXT) IS NULL)))";
    }
}

/// Whom a provider signed out.
#[derive(Clone, Debug)]
pub enum Whom {
    /// One session, by the provider's own name for it.
    Session(String),
    /// All sessions of a subject.
    Subject(String),
    /// One session of a subject; and those of the subject's of which the provider gave no name, for it may be any of them.
    SessionOf {
        /// The provider's own name for it.
        session: String,
        /// Whose it is there.
        subject: String,
    },
}

impl Whom {
    /// The subject, and the session.
    fn names(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Session(session) => (None, Some(session)),
            Self::Subject(subject) => (Some(subject), None),
            Self::SessionOf { session, subject } => (Some(subject), Some(session)),
        }
    }
}

/// A token of a provider.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Tells this use of it from others.
    pub id: Uuid,
    /// The provider's name.
    pub provider: String,
    /// The provider's issuer.
    pub issuer: String,
    /// Its `jti`.
    pub token_id: String,
    /// Whom it signs out.
    pub whom: Whom,
    /// When it came.
    pub taken_at: Timestamp,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

/// A sign-in of which a session is opened.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// The session.
    pub session: SessionId,
    /// The provider's name.
    pub provider: &'a str,
    /// Who it is there.
    pub subject: &'a str,
    /// The provider's own name for the session there.
    pub provider_session: Option<&'a str>,
    /// When the sign-in began.
    pub began_at: Timestamp,
}

/// Whose sessions a token ends.
///
/// # Errors
/// What the engine says.
pub async fn people(tenant: &Tenant, store: &Store, taken: &Taken) -> Result<Vec<UserId>> {
    let (subject, session) = taken.whom.names();
    let asked = [(&sql::PEOPLE_OF_SESSION, session), (&sql::PEOPLE_OF_SUBJECT, subject)];
    let mut people = Vec::new();
    for (statement, name) in asked {
        let Some(name) = name else { continue };
        let params = params![name, taken.provider.as_str(), taken.issuer.as_str(), tenant.id()];
        people.extend(store.query(statement, &params, |row| row.columns().take::<UserId>()).await?);
    }
    Ok(people)
}

/// Takes a token, ends the sessions that it means, and tells all who keep sessions in memory, when the batch is written;
/// `logout_token_replayed` if it was taken before.
pub fn take_with(tenant: &Tenant, batch: &mut Batch, taken: &Taken) {
    let Taken { id, provider, issuer, token_id, whom, taken_at, expires_at } = taken.clone();
    let (subject, session) = whom.names();
    let (subject, session) = (subject.map(str::to_owned), session.map(str::to_owned));
    let kept =
        params![id, tenant.id(), provider.clone(), token_id, subject.clone(), session.clone(), taken_at, expires_at];
    batch.write(&sql::INSERT, kept);
    let means = |name: &str| params![taken_at, name.to_owned(), provider.clone(), issuer.clone(), tenant.id()];
    if let Some(session) = &session {
        batch.write(&sql::REVOKE_SESSION, means(session));
        batch.write(&sql::END_SESSION, means(session));
    }
    match (subject, session) {
        (Some(subject), Some(_)) => {
            batch.write(&sql::REVOKE_NAMELESS, means(&subject));
            batch.write(&sql::END_NAMELESS, means(&subject));
        }
        (Some(subject), None) => {
            let revoked = params![id, taken_at, subject.clone(), provider.clone(), issuer.clone(), tenant.id()];
            batch.write(&sql::REVOKE_SUBJECT, revoked);
            batch.write(&sql::SUPERSEDE, params![id]);
            batch.write(&sql::END_SUBJECT, means(&subject));
        }
        (None, _) => {}
    }
}

/// Requires, when the batch is written, that the provider did not sign out whoever opens a session while they were signing
/// in: `signed_out_meanwhile`. To come after the session.
pub fn refuse_signed_out_with(_: &Tenant, batch: &mut Batch, opening: &Opening<'_>) {
    let out = || {
        Error::conflict(
            "signed_out_meanwhile",
            "The identity provider signed you out while you were signing in here. Begin it again.",
        )
    };
    let Opening { session, provider, subject, provider_session, began_at } = opening.clone();
    let owned = (provider.to_owned(), provider_session.map(str::to_owned), subject.to_owned());
    batch.require(&sql::STILL_IN, params![session, owned.0, began_at, owned.1, owned.2], out);
}

/// Forgets those whose time is over, when the batch is written.
pub fn forget_with(_: &System, batch: &mut Batch, now: Timestamp) {
    batch.write(&sql::FORGET, params![now]);
}
