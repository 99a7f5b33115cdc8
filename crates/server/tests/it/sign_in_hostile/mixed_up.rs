//! Two providers, of which one would like to sign people in with what the other one gave out (RFC 9700, section 4.4).

use retinue_testkit::{Database, IdentityProvider, Person, TestApp, on_both_databases};

use super::{came_in, nobody_came_in};

on_both_databases! {
    a_code_of_one_provider_signs_nobody_in_at_another,
    a_callback_at_the_address_of_another_provider_is_refused,
}

async fn start(database: Database) -> (TestApp, IdentityProvider, IdentityProvider) {
    let (app, [sso, other]) = TestApp::with_providers(database, |_| {}).await;
    sso.greet("ada");
    other.greet("ada");
    (app, sso, other)
}

fn parameter(url: &reqwest::Url, wanted: &str) -> String {
    url.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned()
}

async fn a_code_of_one_provider_signs_nobody_in_at_another(database: Database) {
    let (app, sso, other) = start(database).await;
    for (iss, is_of_sso, refused) in [
        (Some(&sso), true, "oidc_callback_issuer"),
        (Some(&sso), false, "oidc_callback_issuer"),
        (Some(&other), true, "oidc_code_refused"),
        (None, true, "oidc_callback_issuer_missing"),
    ] {
        let person = Person::stranger(&app);
        let at_sso = sso.visit(&Person::stranger(&app).begin("/auth/login?provider=sso").await);
        let mut back = other.visit(&person.begin("/auth/login?provider=other").await);
        let code = if is_of_sso { parameter(&at_sso, "code") } else { parameter(&back, "code") };
        let state = parameter(&back, "state");
        back.query_pairs_mut().clear().append_pair("code", &code).append_pair("state", &state);
        if let Some(iss) = iss {
            back.query_pairs_mut().append_pair("iss", iss.issuer());
        }
        nobody_came_in(&person, person.come_back(&back).await, 400, refused).await;
    }
    let person = Person::stranger(&app);
    came_in(&person, person.sign_in_at("other", &other).await).await;
}

async fn a_callback_at_the_address_of_another_provider_is_refused(database: Database) {
    let (app, sso, other) = start(database).await;
    for (begin, wrong) in [
        ("sso", "/auth/callback/other"),
        ("sso", "/auth/callback/nobody"),
        ("sso", "/auth/callback/SSO"),
        ("other", "/auth/callback/sso"),
    ] {
        let person = Person::stranger(&app);
        let provider = if begin == "sso" { &sso } else { &other };
        let mut back = provider.visit(&person.begin(&format!("/auth/login?provider={begin}")).await);
        back.set_path(wrong);
        nobody_came_in(&person, person.come_back(&back).await, 400, "oidc_callback_provider").await;
    }
    for name in ["nobody", "SSO", "sso%00", "", "../sso"] {
        let person = Person::stranger(&app);
        let answer = person.open(&format!("/auth/login?provider={name}")).await;
        nobody_came_in(&person, answer, 400, "provider_unknown").await;
    }
}
