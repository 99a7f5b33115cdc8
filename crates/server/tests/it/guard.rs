//! Which doors are open to everybody. A route that is not in `guard/public.txt` asks who is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reqwest::Method;
use retinue_testkit::{Database, Person, TestApp, on_both_databases};

use crate::isolation::route::{self, Route};
use crate::isolation::snapshot;

on_both_databases! {
    whoever_is_not_signed_in_gets_nothing_but_what_is_public,
    the_same_is_public_where_addresses_count,
}

/// Why something is public. A further line needs a reason that others can follow.
const REASONS: &[(&str, &str)] = &[
    ("GET /assets/{hash}/{name}", "Style and scripts, the same for everybody; the pages below need them."),
    (
        "GET /auth/callback",
        "A provider sends people here who are about to sign in; only what their browser kept counts.",
    ),
    ("GET /auth/callback/{name}", "The same, at an address that only one provider was told."),
    ("GET /auth/login", "Leads to a provider; whoever does so is not signed in yet."),
    ("GET /auth/providers", "How people sign in here must be known before they do."),
    ("GET /healthz", "For whatever watches the server; says that it lives, and nothing else."),
    ("GET /metrics", "Not at this port: it has a listener of its own, and nothing is here."),
    ("GET /openapi.json", "The description of the API, the same for every installation."),
    ("GET /readyz", "For whatever sends requests to the server; says whether it can take some."),
    ("GET /sign-in", "The way in."),
    ("GET /signed-out", "Shown to whoever has just signed out."),
    ("GET /auth/magic-link", "Where a link is asked for."),
    (
        "GET /auth/magic-link/verify",
        "The page of a link by mail; spends nothing, so that scanners of mail can look at it.",
    ),
    ("GET /auth/password-reset", "Where a link is asked for."),
    ("GET /auth/password-reset/verify", "The page of a link by mail; spends nothing."),
    ("GET /auth/register", "Where one registers, if that is open or one is invited."),
    ("GET /set-up", "The page of the link on the console; without the link it shows no form."),
    ("POST /auth/login", "Takes address and password; guesses are slowed down."),
    ("POST /auth/magic-link", "Sends a link; answers everybody alike."),
    ("POST /auth/magic-link/verify", "Takes the token of a link, or its code, once."),
    ("POST /auth/password-reset", "Sends a link; answers everybody alike."),
    ("POST /auth/password-reset/verify", "Takes the token of a link, once."),
    ("POST /auth/register", "Registers, if that is open or one is invited."),
    ("POST /set-up", "Takes the token of the link on the console, once."),
    ("POST /auth/backchannel-logout", "Called by a provider, whose signature is checked."),
];

/// The same for whoever may sign out: with no session there is nothing to end.
const SIGNING_OUT: (&str, &str) =
    ("POST /auth/logout", "Whoever's session is over may sign out all the same; ends only one's own.");

async fn whoever_is_not_signed_in_gets_nothing_but_what_is_public(database: Database) {
    let (app, _provider) = TestApp::with_provider(database).await;
    compare(&app, "guard/public.txt").await;
}

async fn the_same_is_public_where_addresses_count(database: Database) {
    let (app, _provider) = TestApp::with_both_ways(database).await;
    compare(&app, "guard/public-both-ways.txt").await;
}

/// Asks for everything as nobody, and compares what is answered with a file.
async fn compare(app: &TestApp, file: &str) {
    let reasons: BTreeMap<_, _> = REASONS.iter().copied().chain([SIGNING_OUT]).collect();
    let nobody = Person::stranger(app);
    let mut found = "# What anybody may call, and why. `guard.rs` compares it with what is true.\n".to_owned();
    for route in route::all() {
        let program = answer(&nobody, &route, "application/json").await;
        let browser = answer(&nobody, &route, "text/html").await;
        if program == "refused" && browser == "refused" {
            continue;
        }
        let name = route.name();
        let reason = reasons.get(name.as_str()).unwrap_or_else(|| {
            panic!(
                "{name} answers everybody ({program}, {browser}). If it must, say why in `REASONS` (tests/it/guard.rs); \
                 if not, give it the state `SignedIn` in crates/web/src/routes.rs"
            )
        });
        writeln!(found, "\n{name}: {program} to programs, {browser} to browsers\n  {reason}").unwrap();
    }
    snapshot::compare(file, &found);
}

/// What nobody gets: a status, or that they are refused.
async fn answer(nobody: &Person, route: &Route, accept: &str) -> String {
    let mut path = route.path.clone();
    for (noun, parameter) in route.parameters() {
        let id = match noun {
            "threads" => "thr_01h455vb4pex5vsknk084sn02q",
            "runs" => "run_01h455vb4pex5vsknk084sn02q",
            _ => "none",
        };
        path = path.replacen(&format!("{{{parameter}}}"), id, 1);
    }
    let response = nobody.send(nobody.request(route.method.clone(), &path).header("accept", accept)).await;
    let leads_to = response.headers().get("location").map(|place| place.to_str().unwrap());
    let is_refused = response.status() == 401 || leads_to.is_some_and(|place| place.starts_with("/sign-in"));
    if is_refused { "refused".to_owned() } else { response.status().as_u16().to_string() }
}

#[tokio::test]
async fn a_token_does_not_count_where_nobody_signs_in() {
    let app = TestApp::start(Database::sqlite()).await;
    let person = Person::stranger(&app);
    for (name, value) in [("authorization", "Bearer x"), ("x-api-key", "rtn_x")] {
        for path in ["/api/threads", "/auth/me", "/"] {
            let response = person.send(person.request(Method::GET, path).header(name, value)).await;
            assert_eq!(response.status(), 401, "{name}, {path}");
        }
    }
    assert_eq!(person.status(Method::GET, "/api/threads").await, 200);
}
