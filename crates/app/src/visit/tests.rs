use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use retinue_agent::{Client, Limits, Timeouts};
use retinue_model::offboarding::Policy;
use retinue_model::principal::DEFAULT_ORGANIZATION;
use retinue_model::session::{Method, Session};
use retinue_model::user::User;
use retinue_model::{Principal, SessionId, UserId};
use retinue_store::session::Found;
use retinue_store::{Location, Store};
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

use super::*;
use crate::auth::{Auth, Mode};
use crate::budget::Defaults;
use crate::key::KeyRing;
use crate::provider::Catalog;
use crate::scratch::{CountingRng, Standing};
use crate::session_token::SessionToken;
use crate::{Parts, Settings, session};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const SESSION: SessionId = SessionId::new(Uuid::from_u128(1));
const ADA: UserId = UserId::new(Uuid::from_u128(2));
const EVE: UserId = UserId::new(Uuid::from_u128(3));

async fn app() -> (TempDir, App) {
    app_in(Mode::Local).await
}

async fn app_in(mode: Mode) -> (TempDir, App) {
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts {
        store: Store::open(&Location::Sqlite(folder.path().join("retinue.db"))).await.unwrap(),
        clock: Arc::new(Standing(NOW)),
        rng: Arc::new(CountingRng::default()),
        client: Client::new(Timeouts::default()).unwrap(),
        catalog: Catalog::new(Vec::new(), Vec::new(), Vec::new(), None, None),
        settings: Settings {
            max_concurrent_runs: 1,
            run: Limits::default(),
            budgets: Defaults::default(),
            offboarding: Policy::default(),
            audit_lasts: None,
            shutdown_grace: Duration::ZERO,
        },
        auth: Auth { mode, ..Auth::single_user("http://localhost".to_owned()) },
        keys: KeyRing::generate(&CountingRng::default(), NOW).unwrap(),
    };
    (folder, App::new(parts))
}

/// Ada's session, as it is kept in memory.
fn adas() -> KnownSession {
    let session = Session {
        id: SESSION,
        organization_id: DEFAULT_ORGANIZATION,
        user_id: ADA,
        identity_id: None,
        method: Method::Password,
        user_agent: String::new(),
        address: String::new(),
        proved_at: None,
        created_at: NOW,
        last_seen_at: NOW,
        expires_at: NOW + SignedDuration::from_hours(1),
    };
    let user = User {
        id: ADA,
        organization_id: DEFAULT_ORGANIZATION,
        name: "Ada".to_owned(),
        email: None,
        email_verified: false,
        organization_admin: false,
        disabled_at: None,
        created_at: NOW,
    };
    let principal = Principal::of_session(&session, None, false);
    KnownSession::new(Found { session, user, refresh_at: None, identity: None }, (principal, Vec::new()), NOW)
}

/// Memory is asked by the session alone, and the cookie says whose it is.
#[tokio::test]
async fn a_session_in_memory_is_not_whoever_s_cookie_names_it() {
    let (_folder, app) = app().await;
    app.sessions.put(adas(), app.sessions.epoch()).unwrap();
    app.sessions.heard(Instant::now());
    let comes = async |user| {
        let token = SessionToken { session: SESSION, user, expires_at: NOW + SignedDuration::from_hours(1) };
        let cookie = token.sign(&app.keys(), NOW).unwrap();
        let visit = Visit::new(app.clone(), Arc::from(""), Caller::default());
        visit.authenticate(Some(&cookie)).await.map(|ctx| ctx.principal().user_id())
    };
    assert_eq!(comes(ADA).await.unwrap(), ADA);
    assert_eq!(comes(EVE).await.unwrap_err().code(), "session_ended");
}

/// There are no tables here: nothing can be read again.
#[tokio::test]
async fn what_can_not_be_looked_at_again_is_over() {
    let (_folder, app) = app().await;
    let held = app.sessions.put(adas(), app.sessions.epoch()).unwrap();
    session::look_again(&app, EVE).await;
    assert!(!held.has_ended(), "it is not Eve's");
    session::look_again(&app, ADA).await;
    assert!(held.has_ended() && app.sessions.all().is_empty());
}

#[tokio::test]
async fn what_was_looked_at_is_noted_for_those_alone_who_watch() {
    for (mode, count) in [(Mode::Local, 1), (Mode::Oidc, 1), (Mode::SingleUser, 0)] {
        let (_folder, app) = app_in(mode).await;
        session::look_after(&app, ADA, Uuid::from_u128(4)).await;
        assert_eq!(app.sessions.take_looked().len(), count, "{mode:?}");
    }
}
