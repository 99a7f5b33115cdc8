//! What the trail tells from some moment on.

use jiff::Timestamp;
use retinue_model::audit::{Action, Actor, AuditEvent, Outcome};
use retinue_store::{Store, Tenant, audit};
use retinue_testkit::{Person, TestApp};

const US: Tenant = Tenant::default_organization();

/// An event of which nothing else is known.
pub(super) fn plain(number: usize, at: Timestamp, (actor, via): (Actor, &str), action: Action) -> AuditEvent {
    AuditEvent {
        id: format!("aud_{number:026}").parse().unwrap(),
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
    }
}

/// Who looks at it.
pub(super) struct Watch {
    store: Store,
    seen: i64,
    secrets: Vec<String>,
}

impl Watch {
    /// From now on.
    pub(super) async fn over(app: &TestApp) -> Self {
        let store = Store::open_beside(app.database.location()).await.unwrap();
        let mut watch = Self { store, seen: 0, secrets: Vec::new() };
        watch.told().await;
        watch
    }

    /// From now on no event may have this in it.
    pub(super) fn hides(&mut self, secret: &str) {
        assert!(!secret.is_empty());
        self.secrets.push(secret.to_owned());
    }

    /// What was told since it was looked at the last time.
    pub(super) async fn told(&mut self) -> Vec<AuditEvent> {
        let mut told = Vec::new();
        for recorded in audit::after(&US, &self.store, self.seen, 1_000).await.unwrap() {
            self.seen = recorded.seq;
            told.push(recorded.event);
        }
        let text = format!("{told:?}");
        assert!(!self.secrets.iter().any(|secret| text.contains(secret)), "{text}");
        told
    }

    /// The only thing that was told since then.
    pub(super) async fn one(&mut self, action: Action) -> AuditEvent {
        let mut told = self.told().await;
        assert!(told.len() == 1 && told[0].action == action, "{action:?}: {told:?}");
        told.remove(0)
    }

    /// What was told since then, of these kinds.
    pub(super) async fn all<const N: usize>(&mut self, actions: [Action; N]) -> [AuditEvent; N] {
        let told = self.told().await;
        assert_eq!(told.iter().map(|event| event.action).collect::<Vec<_>>(), actions, "{told:?}");
        told.try_into().unwrap()
    }

    /// That nothing was told since then.
    pub(super) async fn nothing(&mut self) {
        assert_eq!(self.told().await, []);
    }

    /// That the whole trail is as it was written.
    pub(super) async fn is_whole(&self) {
        let verified = audit::verify(&US, &self.store, None).await.unwrap();
        assert_eq!((verified.broken, verified.head.seq), (None, self.seen));
    }
}

/// That somebody did it, through a door, and to what.
pub(super) async fn is_by(person: &Person, event: &AuditEvent, via: &str, target: (&str, &str)) {
    assert_eq!(event.actor, Actor::User(person.id().await.parse().unwrap()), "{event:?}");
    assert_eq!((event.via.as_str(), event.outcome), (via, Outcome::Done), "{event:?}");
    is_on(event, target);
    came_from_somewhere(event);
}

/// To what it was done.
pub(super) fn is_on(event: &AuditEvent, (kind, id): (&str, &str)) {
    let target = event.target.as_ref().unwrap_or_else(|| panic!("{event:?}"));
    assert_eq!((target.kind.as_str(), target.id.as_str()), (kind, id), "{event:?}");
}

/// That somebody of whom nothing is known was refused, and why.
pub(super) fn is_refused(event: &AuditEvent, via: &str, reason: &str) {
    assert_eq!((event.actor, event.via.as_str()), (Actor::Stranger, via), "{event:?}");
    assert_eq!((event.outcome, event.reason.as_deref()), (Outcome::Refused, Some(reason)), "{event:?}");
    came_from_somewhere(event);
}

/// That it was whoever has the machine.
pub(super) fn is_by_the_operator(event: &AuditEvent) {
    assert_eq!(
        (event.actor, event.via.as_str(), event.outcome),
        (Actor::Operator, "console", Outcome::Done),
        "{event:?}"
    );
    assert_eq!((&event.request_id, &event.address), (&None, &None), "{event:?}");
}

fn came_from_somewhere(event: &AuditEvent) {
    assert_eq!(event.address.as_deref(), Some("127.0.0.1"), "{event:?}");
    assert_eq!(event.request_id.as_ref().map(String::len), Some(16), "{event:?}");
}
