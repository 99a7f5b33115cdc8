//! Who somebody is here: by issuer and subject, by a verified address where that is allowed, and by what they added.

use reqwest::{Method, Response};
use retinue_app::auth::{Provision, SignInProvider};
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, location, on_both_databases};
use serde_json::{Value, json};

on_both_databases! {
    the_same_subject_at_two_providers_is_two_people,
    nobody_becomes_a_user_where_that_is_not_wanted,
    a_verified_address_leads_to_the_one_who_has_it,
    an_address_leads_to_nobody_unless_it_is_verified_on_both_sides,
    an_address_that_two_people_have_leads_to_neither,
    an_address_leads_to_nobody_who_took_it_where_that_proves_nothing,
    an_address_leads_to_nobody_whose_provider_was_another_one,
    an_address_leads_to_nobody_from_where_that_is_not_allowed,
    an_address_that_only_looks_alike_leads_to_nobody,
    an_address_leads_to_nobody_who_is_known_there_as_somebody_else,
    an_address_that_changed_hands_leads_to_whoever_has_it_now,
    nobody_is_led_to_somebody_who_is_shut_out,
    people_add_identities_and_take_them_away,
    an_identity_of_somebody_else_is_not_added,
    an_identity_is_added_to_whoever_began_it_only,
    the_last_way_in_stays_when_two_go_at_once,
    whoever_was_shut_out_can_not_sign_in,
    one_person_who_comes_many_times_at_once_is_one_user,
}

/// Two providers that are trusted with addresses: whoever has the address of one user is that one.
async fn start(database: Database) -> (TestApp, IdentityProvider, IdentityProvider) {
    let link = |provider: &mut SignInProvider| provider.link_by_email = true;
    let (app, [sso, other]) = TestApp::with_providers(database, link).await;
    (app, sso, other)
}

/// An attacker takes the address of somebody who has not come yet, at a provider that lets them, and waits.
async fn an_address_leads_to_nobody_who_took_it_where_that_proves_nothing(database: Database) {
    let link = |provider: &mut SignInProvider| provider.link_by_email = provider.name() == "other";
    let (app, [sso, other]) = TestApp::with_providers(database, link).await;
    let attacker = comes(&app, ("sso", &sso), "mallory", has("ceo@example.com", true)).await;
    let victim = comes(&app, ("other", &other), "ceo", has("ceo@example.com", true)).await;
    assert_ne!(victim.id().await, attacker.id().await);
    let thread = victim.thread().await;
    assert_eq!(attacker.status(Method::GET, &format!("/api/threads/{thread}")).await, 404);
}

/// What was a provider of this name before said things that nobody stands for any more.
async fn an_address_leads_to_nobody_whose_provider_was_another_one(database: Database) {
    let (app, sso, other) = start(database).await;
    let before = comes(&app, ("sso", &sso), "before", has("ceo@example.com", true)).await;
    app.database.ask("UPDATE identities SET issuer = 'https://before.example.com'").await;
    let ceo = comes(&app, ("other", &other), "ceo", has("ceo@example.com", true)).await;
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM users WHERE email_key = 'ceo@example.com'").await, ["2"]);
    drop((before, ceo));
}

async fn an_address_leads_to_nobody_from_where_that_is_not_allowed(database: Database) {
    let link = |provider: &mut SignInProvider| provider.link_by_email = provider.name() == "sso";
    let (app, [sso, other]) = TestApp::with_providers(database, link).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let attacker = comes(&app, ("other", &other), "mallory", has("ada@example.com", true)).await;
    assert_ne!(attacker.id().await, ada.id().await);
    assert_eq!(identities(&ada).await.len(), 1);
}

pub(crate) fn has(email: &str, verified: bool) -> Value {
    json!({"name": "Somebody", "email": email, "email_verified": verified})
}

/// Who comes in with this at a provider.
pub(crate) async fn comes(
    app: &TestApp,
    (name, provider): (&str, &IdentityProvider),
    subject: &str,
    claims: Value,
) -> Person {
    let person = Person::stranger(app);
    provider.introduce(subject, claims);
    let back = person.sign_in_at(name, provider).await;
    assert_eq!(back.status(), 303, "{}", back.text().await.unwrap());
    person
}

async fn is_refused(response: Response, status: u16, code: &str) {
    let (found, text) = (response.status().as_u16(), response.text().await.unwrap());
    assert!(found == status && text.contains(&format!("<code>{code}</code>")), "{found}: {text}");
}

async fn users(app: &TestApp) -> Vec<String> {
    app.database.ask("SELECT name FROM users WHERE name <> 'Local user' ORDER BY name").await
}

/// Ids of one's identities, the oldest first.
async fn identities(person: &Person) -> Vec<String> {
    let found = person.get("/api/identities").await;
    found["data"].as_array().unwrap().iter().map(|identity| identity["id"].as_str().unwrap().to_owned()).collect()
}

async fn the_same_subject_at_two_providers_is_two_people(database: Database) {
    let (app, sso, other) = start(database).await;
    let one = comes(&app, ("sso", &sso), "ada", json!({"name": "One"})).await;
    let two = comes(&app, ("other", &other), "ada", json!({"name": "Two"})).await;
    let thread = one.thread().await;
    assert_ne!(one.id().await, two.id().await);
    assert_eq!(two.status(Method::GET, &format!("/api/threads/{thread}")).await, 404);
    // Subjects are told apart by every letter.
    for subject in ["Ada", "ada ", "ada\t", "\u{430}da"] {
        let person = Person::stranger(&app);
        sso.introduce(subject, json!({"name": "Look-alike"}));
        if person.sign_in_at("sso", &sso).await.status() == 303 {
            assert_ne!(person.id().await, one.id().await, "{subject:?}");
        }
    }
    // The administrator is one at the provider that the configuration names.
    let admin = comes(&app, ("other", &other), "admin", json!({"name": "No admin"})).await;
    assert_eq!(admin.get("/auth/me").await["principal"]["organization_admin"], json!(false));
}

async fn nobody_becomes_a_user_where_that_is_not_wanted(database: Database) {
    let never = |provider: &mut SignInProvider| {
        provider.link_by_email = true;
        if provider.name() == "other" {
            provider.provision = Provision::Never;
        }
    };
    let (app, [sso, other]) = TestApp::with_providers(database, never).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let nobody = Person::stranger(&app);
    other.introduce("grace", has("grace@example.com", true));
    is_refused(nobody.sign_in_at("other", &other).await, 403, "user_unknown").await;
    assert_eq!(nobody.status(Method::GET, "/auth/me").await, 401);
    assert_eq!(users(&app).await, ["Somebody"], "nothing of them is kept");
    assert_eq!(app.database.ask("SELECT subject FROM identities").await, ["ada"]);
    let same = comes(&app, ("other", &other), "ada there", has("ada@example.com", true)).await;
    assert_eq!(same.id().await, ada.id().await, "whoever is known comes in");
}

async fn a_verified_address_leads_to_the_one_who_has_it(database: Database) {
    let (app, sso, other) = start(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("Ada@Example.com", true)).await;
    let thread = ada.thread().await;
    let same = comes(&app, ("other", &other), "17", has("aDA@example.COM", true)).await;
    assert_eq!(same.id().await, ada.id().await);
    assert_eq!(same.status(Method::GET, &format!("/api/threads/{thread}")).await, 200);
    let found = ada.get("/api/identities").await;
    assert_eq!(found["data"][1]["origin"], "email");
    assert!(ada.open("/account").await.text().await.unwrap().contains("its verified address is yours"));
    // From then on it is the subject that counts, whatever becomes of the address.
    let same = comes(&app, ("other", &other), "17", has("new@example.com", false)).await;
    assert_eq!(same.id().await, ada.id().await);
    assert_eq!(
        ada.get("/auth/me").await["user"]["email"],
        "Ada@Example.com",
        "and what is said there is not taken over"
    );
}

async fn an_address_leads_to_nobody_unless_it_is_verified_on_both_sides(database: Database) {
    let (app, sso, other) = start(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let bob = comes(&app, ("sso", &sso), "bob", has("bob@example.com", false)).await;
    let mut number = 0;
    for claims in [
        has("ada@example.com", false),
        json!({"name": "Somebody", "email": "ada@example.com"}),
        json!({"name": "Somebody", "email": "ada@example.com", "email_verified": "false"}),
        json!({"name": "Somebody", "email": "ada@example.com", "email_verified": 1}),
        json!({"name": "Somebody", "email": ["ada@example.com"], "email_verified": true}),
        json!({"name": "Somebody", "preferred_username": "ada@example.com", "email_verified": true}),
        has("bob@example.com", true),
    ] {
        number += 1;
        let stranger = comes(&app, ("other", &other), &format!("stranger {number}"), claims.clone()).await;
        let id = stranger.id().await;
        assert!(id != ada.id().await && id != bob.id().await, "{claims}");
    }
    // Where it is not allowed, it does nothing at all.
    let same = comes(&app, ("sso", &sso), "another", has("ada@example.com", true)).await;
    assert_ne!(same.id().await, ada.id().await);
}

async fn an_address_that_two_people_have_leads_to_neither(database: Database) {
    let (app, sso, other) = start(database).await;
    let one = comes(&app, ("sso", &sso), "one", has("shared@example.com", true)).await;
    let two = comes(&app, ("sso", &sso), "two", has("Shared@example.com", true)).await;
    let third = comes(&app, ("other", &other), "three", has("shared@example.com", true)).await;
    let id = third.id().await;
    assert!(id != one.id().await && id != two.id().await);
}

async fn an_address_that_only_looks_alike_leads_to_nobody(database: Database) {
    let (app, sso, other) = start(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("kira@example.com", true)).await;
    let odd = comes(&app, ("sso", &sso), "odd", has("j\u{f6}rg@example.com", true)).await;
    for (number, email) in [
        // A Cyrillic letter; the sign for Kelvin, which becomes a k in lower case; a full-width letter; one that is composed.
        "kir\u{430}@example.com",
        "\u{212a}ira@example.com",
        "\u{ff4b}ira@example.com",
        "k\u{131}ra@example.com",
        "kira@ex\u{e0}mple.com",
        "kira@example.com\u{200b}",
        "kira@example.com.",
        "kira+1@example.com",
        "\"kira\"@example.com",
        "j\u{f6}rg@example.com",
        "jo\u{308}rg@example.com",
    ]
    .iter()
    .enumerate()
    {
        let stranger = comes(&app, ("other", &other), &format!("stranger {number}"), has(email, true)).await;
        let id = stranger.id().await;
        assert!(id != ada.id().await && id != odd.id().await, "{email}");
    }
}

async fn an_address_leads_to_nobody_who_is_known_there_as_somebody_else(database: Database) {
    let (app, sso, other) = start(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let same = comes(&app, ("other", &other), "ada there", has("ada@example.com", true)).await;
    assert_eq!(same.id().await, ada.id().await);
    // The address was given to somebody new at the other provider.
    let new = comes(&app, ("other", &other), "somebody new", has("ada@example.com", true)).await;
    assert_ne!(new.id().await, ada.id().await);
    assert_eq!(identities(&ada).await.len(), 2);
}

async fn an_address_that_changed_hands_leads_to_whoever_has_it_now(database: Database) {
    let (app, sso, other) = start(database).await;
    let old = comes(&app, ("sso", &sso), "old", has("ceo@example.com", true)).await;
    let old_id = old.id().await;
    comes(&app, ("sso", &sso), "old", has("retired@example.com", true)).await;
    let new = comes(&app, ("sso", &sso), "new", has("ceo@example.com", true)).await;
    let led = comes(&app, ("other", &other), "new there", has("ceo@example.com", true)).await;
    assert_eq!(led.id().await, new.id().await);
    assert_ne!(led.id().await, old_id);
}

async fn shut_out(app: &TestApp, person: &Person) {
    let subject = &person.get("/api/identities").await["data"][0]["subject"];
    let user = format!("SELECT user_id FROM identities WHERE subject = '{}'", subject.as_str().unwrap());
    app.database.ask(&format!("UPDATE users SET disabled_at = updated_at WHERE id IN ({user})")).await;
}

async fn nobody_is_led_to_somebody_who_is_shut_out(database: Database) {
    let (app, sso, other) = start(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    shut_out(&app, &ada).await;
    let person = Person::stranger(&app);
    other.introduce("ada there", has("ada@example.com", true));
    is_refused(person.sign_in_at("other", &other).await, 403, "user_disabled").await;
    assert_eq!(app.database.ask("SELECT subject FROM identities").await, ["ada"], "no second way in was made");
}

async fn people_add_identities_and_take_them_away(database: Database) {
    let (app, sso, other) = start(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let user = ada.id().await;
    let session = ada.session_cookie();
    other.introduce("ada there", has("private@example.org", true));
    let added = ada.add_identity("other", &other).await;
    assert_eq!((added.status().as_u16(), location(&added).as_str()), (303, "/account"));
    assert_eq!(ada.session_cookie(), session, "the session goes on as it is");
    assert_eq!(ada.get("/auth/me").await["user"]["email"], "ada@example.com");
    let found = ada.get("/api/identities").await;
    assert_eq!((&found["data"][1]["origin"], &found["data"][1]["provider"]), (&json!("user"), &json!("other")));
    // Once more is as good as once.
    assert_eq!(ada.add_identity("other", &other).await.status(), 303);
    let ids = identities(&ada).await;
    assert_eq!(ids.len(), 2);
    let there = comes(&app, ("other", &other), "ada there", has("private@example.org", true)).await;
    assert_eq!(there.id().await, user);

    // Taking it away ends what was begun with it, and nothing else.
    assert_eq!(ada.status(Method::DELETE, &format!("/api/identities/{}", ids[1])).await, 204);
    assert_eq!(there.status(Method::GET, "/auth/me").await, 401);
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200);
    assert_eq!(ada.status(Method::DELETE, &format!("/api/identities/{}", ids[1])).await, 404);
    let stranger = comes(&app, ("other", &other), "ada there", has("private@example.org", true)).await;
    assert_ne!(stranger.id().await, user, "it does not come back by itself");

    let (status, problem) = delete(&ada, &ids[0]).await;
    assert_eq!((status, &problem["code"]), (409, &json!("last_way_in")));
    let page = ada.submit(&format!("/account/identities/{}/remove", ids[0]), &[]).await;
    assert_eq!(page.status(), 409);
    assert!(page.text().await.unwrap().contains("This is your last way in, so it stays."));
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200);
}

async fn delete(person: &Person, identity: &str) -> (u16, Value) {
    let response = person.send(person.request(Method::DELETE, &format!("/api/identities/{identity}"))).await;
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

async fn an_identity_of_somebody_else_is_not_added(database: Database) {
    let (app, sso, other) = start(database).await;
    let grace = comes(&app, ("other", &other), "grace", has("grace@example.com", true)).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    other.introduce("grace", has("ada@example.com", true));
    let refused = ada.add_identity("other", &other).await;
    assert_eq!(refused.status(), 409);
    let page = refused.text().await.unwrap();
    assert!(page.contains("<code>identity_taken</code>") && page.contains("<h1>The identity was not added</h1>"));
    assert!(page.contains(r#"href="/account">Back to your account"#) && !page.contains("not signed in"), "{page}");
    assert_eq!((identities(&ada).await.len(), identities(&grace).await.len()), (1, 1));
    let graces = identities(&grace).await;
    assert_eq!(delete(&ada, &graces[0]).await.0, 404);
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200, "they are still who they were");
    is_refused(ada.submit("/account/identities/add", &[("provider", "nobody")]).await, 400, "provider_unknown").await;
    let nobody = Person::stranger(&app);
    let answer = nobody.submit("/account/identities/add", &[("provider", "sso")]).await;
    assert_eq!(location(&answer), "/sign-in?return_to=%2Faccount");
}

async fn an_identity_is_added_to_whoever_began_it_only(database: Database) {
    let (app, sso, other) = start(database).await;
    let browser = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    other.introduce("ada there", has("ada@example.org", true));
    let begun = browser.begin_to_add("other").await;
    assert!(begun.contains("&prompt=login"), "they may have several there: {begun}");
    let back = other.visit(&begun);
    // Meanwhile somebody else signs in there.
    sso.introduce("grace", has("grace@example.com", true));
    assert_eq!(browser.sign_in_at("sso", &sso).await.status(), 303);
    is_refused(browser.come_back(&back).await, 409, "sign_in_person_changed").await;
    assert_eq!((identities(&browser).await.len(), identities(&ada).await.len()), (1, 1));
    // Or their session ends.
    let begun = browser.begin_to_add("other").await;
    let back = other.visit(&begun);
    browser.submit("/auth/logout", &[]).await;
    is_refused(browser.come_back(&back).await, 409, "sign_in_person_changed").await;
    assert_eq!(browser.status(Method::GET, "/auth/me").await, 401);
    assert_eq!(app.database.ask("SELECT subject FROM identities ORDER BY subject").await, ["ada", "grace"]);
}

async fn the_last_way_in_stays_when_two_go_at_once(database: Database) {
    let (app, sso, other) = start(database).await;
    for round in 0..5 {
        let subject = format!("ada {round}");
        let ada = comes(&app, ("sso", &sso), &subject, json!({"name": "ada"})).await;
        other.introduce(&subject, json!({"name": "ada"}));
        assert_eq!(ada.add_identity("other", &other).await.status(), 303);
        let phone = comes(&app, ("other", &other), &subject, json!({"name": "ada"})).await;
        let ids = identities(&ada).await;
        let (one, two) = tokio::join!(delete(&ada, &ids[0]), delete(&phone, &ids[1]));
        let mut statuses = [one.0, two.0];
        statuses.sort_unstable();
        // Whoever comes second may find that their own session is over.
        assert!(statuses == [204, 409] || statuses == [204, 401], "{statuses:?}");
        let left = format!("SELECT provider FROM identities WHERE subject = '{subject}'");
        assert_eq!(app.database.ask(&left).await.len(), 1);
    }
}

async fn whoever_was_shut_out_can_not_sign_in(database: Database) {
    let (app, sso, _) = start(database).await;
    let ada = comes(&app, ("sso", &sso), "ada", has("ada@example.com", true)).await;
    shut_out(&app, &ada).await;
    let person = Person::stranger(&app);
    sso.introduce("ada", has("new@example.com", true));
    is_refused(person.sign_in_at("sso", &sso).await, 403, "user_disabled").await;
    assert_eq!(person.status(Method::GET, "/auth/me").await, 401);
    assert_eq!(app.database.ask("SELECT email FROM users WHERE name = 'Somebody'").await, ["ada@example.com"]);
    assert_eq!(app.database.ask("SELECT method FROM sessions").await.len(), 1, "no session was written down");
}

async fn one_person_who_comes_many_times_at_once_is_one_user(database: Database) {
    let (app, sso, _) = start(database).await;
    sso.greet("ada");
    let mut coming = Vec::new();
    for _ in 0..20 {
        let person = Person::stranger(&app);
        let back = sso.visit(&person.begin("/auth/login").await);
        coming.push(tokio::spawn(async move {
            assert_eq!(person.come_back(&back).await.status(), 303);
            person.id().await
        }));
    }
    let mut ids = Vec::new();
    for person in coming {
        ids.push(person.await.unwrap());
    }
    ids.dedup();
    assert_eq!((ids.len(), users(&app).await), (1, vec!["ada".to_owned()]));
    assert_eq!(app.database.ask("SELECT subject FROM identities").await, ["ada"]);
}
