//! Whose word on addresses counts: that of a provider which is not trusted with them neither gives nor takes.

use retinue_app::auth::SignInProvider;
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, on_both_databases};

use crate::linking::{comes, has};

on_both_databases! {
    whoever_is_shut_out_keeps_nobody_out_whose_address_they_said_was_theirs,
    an_address_leads_to_its_owner_whoever_says_elsewhere_that_it_is_theirs,
    a_trusted_word_on_what_only_looks_alike_is_none_on_the_address,
}

/// People may say what they like at `third`.
async fn start(database: Database) -> (TestApp, [IdentityProvider; 3]) {
    let link = |provider: &mut SignInProvider| provider.link_by_email = provider.name() != "third";
    TestApp::with_providers(database, link).await
}

async fn whoever_is_shut_out_keeps_nobody_out_whose_address_they_said_was_theirs(database: Database) {
    let (app, [sso, _, third]) = start(database).await;
    comes(&app, ("third", &third), "mallory", has("ceo@example.com", true)).await;
    app.database.ask("UPDATE users SET disabled_at = updated_at WHERE email = 'ceo@example.com'").await;
    let owner = comes(&app, ("sso", &sso), "ceo", has("ceo@example.com", true)).await;
    assert_eq!(owner.get("/api/identities").await["data"].as_array().unwrap().len(), 1);
}

async fn an_address_leads_to_its_owner_whoever_says_elsewhere_that_it_is_theirs(database: Database) {
    let (app, [sso, other, third]) = start(database).await;
    let mut mallories = Vec::new();
    for number in 0..3 {
        let subject = format!("mallory {number}");
        mallories.push(comes(&app, ("third", &third), &subject, has("ceo@example.com", true)).await);
    }
    let owner = comes(&app, ("sso", &sso), "ceo", has("ceo@example.com", true)).await;
    let same = comes(&app, ("other", &other), "ceo there", has("CEO@example.com", true)).await;
    assert_eq!(same.id().await, owner.id().await);
    let ids: Vec<String> = futures_util::future::join_all(mallories.iter().map(Person::id)).await;
    assert!(!ids.contains(&owner.id().await));
}

/// Some databases take the sign for Kelvin for a k in lower case, and a capital I with a dot for an i.
async fn a_trusted_word_on_what_only_looks_alike_is_none_on_the_address(database: Database) {
    let (app, [sso, other, third]) = start(database).await;
    for (address, written, look_alike) in [
        ("kira@example.com", "Kira@Example.com", "\u{212a}ira@example.com"),
        ("ivan@example.com", "Ivan@Example.com", "\u{130}van@example.com"),
    ] {
        let mallory = comes(&app, ("third", &third), &format!("mallory, for {address}"), has(address, true)).await;
        sso.introduce(&format!("mallory with {address}"), has(look_alike, true));
        assert_eq!(mallory.add_identity("sso", &sso).await.status(), 303);
        assert_eq!(mallory.get("/api/identities").await["data"][1]["email"], look_alike);
        let owner = comes(&app, ("other", &other), address, has(written, true)).await;
        assert_ne!(owner.id().await, mallory.id().await, "{look_alike}");
        let same = comes(&app, ("sso", &sso), address, has(address, true)).await;
        assert_eq!(same.id().await, owner.id().await, "{written} is the same as {address}, whoever has {look_alike}");
    }
}
