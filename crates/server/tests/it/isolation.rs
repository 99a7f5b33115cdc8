//! Who gets at whose things: every route there is, asked by everybody who might, over things that belong to one person.
//!
//! What is found must be what `isolation/matrix.txt` says. A route that is new is asked too; how, `recipe.rs` must know.
//! CONTRIBUTING.md says how the file is written anew: read what changed.

mod actor;
mod both_ways;
mod query;
mod recipe;
mod role;
pub(crate) mod route;
pub(crate) mod snapshot;

use std::fmt::Write as _;

use reqwest::Method;
use reqwest::header::LOCATION;
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

use actor::{Actor, Cast};
use recipe::{Request, Things};
use route::Route;

with_people_on_both_engines! {
    nobody_gets_at_what_belongs_to_somebody_else,
    nothing_of_another_is_reached_through_a_parent_of_ones_own,
    a_place_in_another_ones_list_shows_nothing_of_it,
    a_place_in_what_another_found_shows_nothing_of_it,
    a_place_in_another_ones_conversation_shows_nothing_of_it,
}

const HEAD: &str = "\
# Who gets what of a person's things, for every route there is; `isolation.rs` compares it with what is true.
#
# `sign-in`: led to where one signs in. `(3)`: three things of the owner are in the answer; that is said of whatever has no
# id in its path, and nobody but the owner may ever see one. `admin` runs the installation. `shut out` is a user who was
# disabled. The other three come with the owner's cookie: of a session that was ended, with an end that was cut off, and
# signed by another instance. A `{token}` is what a mail to the owner has in it, or an invitation; each of them has a new one,
# in what is posted too. It lets in whoever shows it, but nobody takes the place of another who is signed in.
";

/// What somebody got.
struct Got {
    cell: String,
    status: u16,
    /// How many of the owner's things were in it.
    seen: usize,
}

async fn nobody_gets_at_what_belongs_to_somebody_else(app: TestApp, provider: IdentityProvider) {
    let cast = Cast::assemble(&app, &provider).await;
    compare(&app, &provider, cast, "isolation/matrix.txt").await;
}

/// Asks for everything as everybody, and compares what they get with a file.
async fn compare(app: &TestApp, provider: &IdentityProvider, mut cast: Cast, file: &str) {
    let mut found = HEAD.to_owned();
    write!(found, "\n{:54}", "").unwrap();
    for actor in Actor::ALL {
        write!(found, " {:9}", actor.name()).unwrap();
    }
    let mut things = None;
    for route in route::all() {
        for query in query::queries(&route) {
            cast.come_in(app, provider).await;
            let made = match things.take() {
                Some(made) if route.method == Method::GET => made,
                _ => Things::make(app, cast.owner(), &route, provider).await,
            };
            let line = ask_all((app, provider), &mut cast, (&route, query), &made).await;
            // What was only looked at is as it was.
            things = Some(made).filter(|_| route.method == Method::GET);
            write!(found, "\n{:6} {:47}{line}", route.method.as_str(), format!("{}{query}", route.path)).unwrap();
        }
    }
    let found: String = found.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    snapshot::compare(file, &found);
}

/// Deletes the private agents that the owner had for the routes before: nobody has room for as many as there are routes.
async fn make_room(owner: &Person) {
    let agents = owner.get("/api/agents?limit=200").await;
    for agent in agents["data"].as_array().unwrap().iter().filter(|agent| agent["sharing"] == "private") {
        let path = format!("/api/agents/{}", agent["id"].as_str().unwrap());
        assert_eq!(owner.status(Method::DELETE, &path).await, 204);
    }
}

/// One line: what each of them gets. The owner asks last, so that what the others did would show.
async fn ask_all(
    (app, provider): (&TestApp, &IdentityProvider),
    cast: &mut Cast,
    (route, query): (&Route, &str),
    things: &Things,
) -> String {
    let lets_in = recipe::lets_in(app, route);
    let state = async |cast: &Cast| {
        let mut state = things.state(cast.owner()).await;
        if lets_in {
            // Whoever has a link of the owner opens a session with it, or ends those there are.
            state.sessions.clear();
        }
        state
    };
    let before = state(cast).await;
    let mut others = Vec::new();
    for actor in Actor::ALL.into_iter().filter(|actor| *actor != Actor::Owner) {
        let request = recipe::request(route, query, &things.with_a_token(app, route).await);
        let got = ask(cast, actor, &request, things).await;
        if lets_in {
            cast.come_in(app, provider).await;
        }
        let name = format!("{} {} as {}", route.method, request.path, actor.name());
        // Whatever the file says.
        assert_eq!(got.seen, 0, "{name} shows things of the owner");
        if route.is_of_somebody() {
            assert!(got.status == 404 || got.is_refused(), "{name}: {}", got.cell);
        }
        others.push(got.cell);
    }
    assert_eq!(state(cast).await, before, "{} {} changed what is another's", route.method, route.path);
    let request = recipe::request(route, query, &things.with_a_token(app, route).await);
    let own = ask(cast, Actor::Owner, &request, things).await;
    std::iter::once(own.cell).chain(others).fold(String::new(), |mut line, cell| {
        write!(line, " {cell:9}").unwrap();
        line
    })
}

impl Got {
    fn is_refused(&self) -> bool {
        self.status == 401 || self.cell == "sign-in"
    }
}

async fn ask(cast: &Cast, actor: Actor, request: &Request, things: &Things) -> Got {
    let response = cast.send(actor, request).await;
    let status = response.status().as_u16();
    let leads_to = response.headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    let seen = things.seen_in(&text, request);
    let is_list = !request.has_id && status == 200 && (text.contains("<html") || is_json(&text));
    let cell = match leads_to {
        Some(place) if place.starts_with("/sign-in") => "sign-in".to_owned(),
        _ if is_list => format!("{status} ({seen})"),
        _ => status.to_string(),
    };
    Got { cell, status, seen }
}

/// As a whole, or line by line.
fn is_json(text: &str) -> bool {
    let is_one = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    is_one(text) || !text.is_empty() && text.lines().all(is_one)
}

async fn nothing_of_another_is_reached_through_a_parent_of_ones_own(app: TestApp, provider: IdentityProvider) {
    let mut cast = Cast::assemble(&app, &provider).await;
    cast.come_in(&app, &provider).await;
    let nested: Vec<_> = route::all().into_iter().filter(|route| route.owned().count() > 1).collect();
    assert!(!nested.is_empty());
    for route in nested {
        let other = cast.person(Actor::Other);
        let things = Things::make(&app, cast.owner(), &route, &provider).await;
        let own = Things::make(&app, other, &route, &provider).await;
        for request in
            [recipe::request(&route, "", &things.below(&own)), recipe::request(&route, "", &own.below(&things))]
        {
            let got = ask(&cast, Actor::Other, &request, &things).await;
            assert_eq!((got.status, got.seen), (404, 0), "{} {}", request.method, request.path);
        }
    }
}

async fn a_place_in_another_ones_list_shows_nothing_of_it(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    for _ in 0..3 {
        ada.thread().await;
    }
    let own = grace.thread().await;
    let cursor = ada.get("/api/threads?limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    let found = grace.get(&format!("/api/threads?cursor={cursor}")).await;
    let ids: Vec<_> = found["data"].as_array().unwrap().iter().map(|thread| &thread["id"]).collect();
    assert!(ids.iter().all(|id| **id == json!(own)), "{ids:?}");
    let page = grace.open(&format!("/?cursor={cursor}")).await.text().await.unwrap();
    for thread in ada.get("/api/threads").await["data"].as_array().unwrap() {
        assert!(!page.contains(thread["id"].as_str().unwrap()));
    }
}

async fn a_place_in_what_another_found_shows_nothing_of_it(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let plan = async |person: &Person, title: &str| {
        let (_, thread) = person.post("/api/threads", &json!({"title": title})).await;
        thread["id"].as_str().unwrap().to_owned()
    };
    // The newest is found first, so that there is something behind the place for both.
    let own = plan(&grace, "Plans of Grace").await;
    for number in 0..3 {
        plan(&ada, &format!("Plans of Ada, no. {number}")).await;
    }
    let cursor = ada.get("/api/threads?q=plans&limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    let path = format!("/api/threads?q=plans&cursor={cursor}");
    assert_eq!(ids(&ada.get(&path).await).len(), 2);
    assert_eq!(ids(&grace.get(&path).await), [own]);
    let page = grace.open(&format!("/?q=plans&cursor={cursor}")).await.text().await.unwrap();
    assert!(page.contains("of Grace") && !page.contains("of Ada"), "{page}");
}

async fn a_place_in_another_ones_conversation_shows_nothing_of_it(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let mut threads = Vec::new();
    for person in [&ada, &grace] {
        let thread = person.thread().await;
        for number in 0..3 {
            let run = person.say(&thread, &format!("No. {number}")).await;
            person.post(&format!("/api/runs/{run}/cancel"), &json!({})).await;
            person.follow(&run).await.rest().await;
        }
        threads.push(format!("/api/threads/{thread}/messages"));
    }
    let cursor = ada.get(&format!("{}?limit=1", threads[0])).await["next_cursor"].as_str().unwrap().to_owned();
    let [adas, graces] = [0, 1].map(|at| format!("{}?cursor={cursor}", threads[at]));
    assert_eq!(ids(&ada.get(&adas).await).len(), 2);
    assert_eq!(grace.status(Method::GET, &adas).await, 404);
    assert_eq!(grace.status(Method::GET, &graces).await, 400, "it is a place in that conversation only");
}

fn ids(found: &Value) -> Vec<String> {
    found["data"].as_array().unwrap().iter().map(|thing| thing["id"].as_str().unwrap().to_owned()).collect()
}
