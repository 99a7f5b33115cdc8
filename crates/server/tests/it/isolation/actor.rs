//! Those who ask.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response};
use retinue_testkit::{FakeClock, IdentityProvider, Person, TestApp, until};

use super::recipe::{Content, Request};

/// Somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    Owner,
    Nobody,
    Other,
    Admin,
    ShutOut,
    Ended,
    Cut,
    Elsewhere,
}

impl Actor {
    pub(super) const ALL: [Self; 8] =
        [Self::Owner, Self::Nobody, Self::Other, Self::Admin, Self::ShutOut, Self::Ended, Self::Cut, Self::Elsewhere];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Nobody => "nobody",
            Self::Other => "other",
            Self::Admin => "admin",
            Self::ShutOut => "shut out",
            Self::Ended => "ended",
            Self::Cut => "cut",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// All who ask, each with a browser.
pub(super) struct Cast {
    people: Vec<(Actor, Person)>,
    /// The clock, if they let time pass between their requests.
    clock: Option<Arc<FakeClock>>,
}

impl Cast {
    /// Those whose credentials don't count, now and later.
    pub(super) async fn assemble(app: &TestApp, provider: &IdentityProvider) -> Self {
        let shut_out = Person::signed_in(app, provider, "mallory").await;
        let user = shut_out.id().await;
        disable(app, "mallory").await;
        ends(&shut_out, &user).await;
        let ended = Person::signed_in(app, provider, "ada").await;
        let cookie = ended.session_cookie();
        assert_eq!(ended.submit("/auth/logout", &[]).await.status(), 200);
        wear(&ended, cookie);
        let people = vec![(Actor::ShutOut, shut_out), (Actor::Ended, ended), (Actor::Nobody, Person::stranger(app))];
        Self { people, clock: None }
    }

    /// Each of them waits for a minute before a request, so that none is refused because of the guesses of another.
    pub(super) fn in_no_hurry(self, app: &TestApp) -> Self {
        Self { clock: Some(Arc::clone(&app.clock)), ..self }
    }

    /// The others sign in, if they are not any more.
    pub(super) async fn come_in(&mut self, app: &TestApp, provider: &IdentityProvider) {
        for (actor, subject) in [(Actor::Owner, "ada"), (Actor::Other, "other"), (Actor::Admin, "admin")] {
            if !self.is_in(actor).await {
                self.enter(actor, Person::signed_in(app, provider, subject).await);
            } else if self.clock.is_some() {
                // It is long ago for them that they showed who they are.
                assert_eq!(self.person(actor).sign_in(provider, subject, "/").await.status(), 303);
            }
        }
        let cut = Person::stranger(app);
        let cookie = self.owner().session_cookie();
        wear(&cut, cookie[..cookie.len() - 2].to_owned());
        self.enter(Actor::Cut, cut);
        if self.owner().get("/api/sessions").await["data"].as_array().unwrap().len() < 2 {
            // A session that there is, with a cookie of keys that are not ours.
            app.app.set_keys(app.foreign_keys());
            let elsewhere = Person::signed_in(app, provider, "ada").await;
            app.app.set_keys(app.keys());
            self.enter(Actor::Elsewhere, elsewhere);
        }
    }

    fn enter(&mut self, actor: Actor, person: Person) {
        self.people.retain(|(known, _)| *known != actor);
        self.people.push((actor, person));
    }

    async fn is_in(&self, actor: Actor) -> bool {
        match self.people.iter().find(|(known, _)| *known == actor) {
            Some((_, person)) => person.status(Method::GET, "/auth/me").await == 200,
            None => false,
        }
    }

    pub(super) fn owner(&self) -> &Person {
        self.person(Actor::Owner)
    }

    pub(super) fn person(&self, actor: Actor) -> &Person {
        &self.people.iter().find(|(found, _)| *found == actor).unwrap().1
    }

    pub(super) async fn send(&self, actor: Actor, request: &Request) -> Response {
        if let Some(clock) = &self.clock {
            clock.advance(Duration::from_mins(1));
        }
        let person = self.person(actor);
        let mut worn = None;
        person.cookies(|cookies| worn = Some(cookies.clone()));
        let response = send(person, request).await;
        if !matches!(actor, Actor::Owner | Actor::Other | Actor::Admin) {
            // Whoever holds a cookie that does not count goes on showing it, whatever the answer says.
            person.cookies(|cookies| cookies.clone_from(&worn.unwrap_or_default()));
        }
        response
    }
}

/// Sends what a browser or a program would.
pub(super) async fn send(person: &Person, request: &Request) -> Response {
    let mut builder = person.request(request.method.clone(), &request.path);
    if request.is_page {
        builder = builder.header("accept", "text/html");
    }
    match &request.content {
        Content::Nothing => {}
        Content::Json(json) => builder = builder.json(json),
        Content::Form(form) => {
            builder = builder.header("content-type", "application/x-www-form-urlencoded").body(form.clone());
        }
    }
    person.send(builder).await
}

fn wear(person: &Person, cookie: String) {
    person.cookies(|cookies| drop(cookies.insert("retinue-session".to_owned(), cookie)));
}

/// Shuts a user out, as another process would.
pub(super) async fn disable(app: &TestApp, name: &str) {
    let disable = format!("UPDATE users SET disabled_at = updated_at WHERE name = '{name}'");
    app.database.ask(&disable).await;
    let revoke = format!(
        "INSERT INTO revocations (id, organization_id, user_id, session_id, created_at) \
         SELECT id, organization_id, id, NULL, updated_at FROM users WHERE name = '{name}'"
    );
    app.database.ask(&revoke).await;
}

async fn ends(person: &Person, user: &str) {
    until(&format!("{user} is shut out"), Duration::from_secs(5), async || {
        (person.status(Method::GET, "/auth/me").await == 401).then_some(())
    })
    .await;
}
