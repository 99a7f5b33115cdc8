//! What a provider says that can't be believed, in its discovery document, its keys, an ID token or `UserInfo`: each ends on
//! a page with a reason of its own, and nothing of it is written down.

use std::time::Duration;

use reqwest::Response;
use retinue_app::Clock as _;
use retinue_app::auth::SignInProvider;
use retinue_oidc::{Config, Provider};
use retinue_testkit::identity_provider::{Reply, Script, Signer};
use retinue_testkit::{Database, IdentityProvider, Person, SigningKey, TestApp, on_both_databases};
use serde_json::json;

use super::{came_in, nobody_came_in};

on_both_databases! {
    an_id_token_with_a_fault_signs_nobody_in,
    what_user_info_says_of_somebody_else_signs_nobody_in,
    a_discovery_document_with_a_fault_signs_nobody_in,
    whoever_is_led_further_inside_by_a_provider_is_not_signed_in,
}

/// What is said instead, with the time in seconds; the status of the page, and the reason that is on it.
type Case = (fn(&mut Script, i64), u16, &'static str);

/// Where the document is.
const DOCUMENT: &str = "/.well-known/openid-configuration";

/// A provider whose tokens may be for a partner too.
async fn start(database: Database) -> (TestApp, IdentityProvider) {
    let with_partner = |provider: &mut SignInProvider| {
        let config = provider.provider.config().clone();
        provider.provider = Provider::new(Config { trusted_audiences: vec!["partner".to_owned()], ..config }).unwrap();
    };
    TestApp::with_provider_and(database, with_partner).await
}

/// How many users, identities and sessions there are; one of the users is there from the start.
async fn rows(app: &TestApp) -> String {
    let count = "SELECT (SELECT COUNT(*) FROM users) || ' users, ' || (SELECT COUNT(*) FROM identities) || ' identities, ' \
        || (SELECT COUNT(*) FROM sessions) || ' sessions'";
    app.database.ask(count).await.remove(0)
}

/// Somebody signs in: what they are shown.
async fn comes(person: &Person, provider: &IdentityProvider) -> Response {
    let begun = person.open("/auth/login").await;
    match begun.headers().get("location").map(|to| to.to_str().unwrap().to_owned()) {
        Some(to) => person.come_back(&provider.visit(&to)).await,
        None => begun,
    }
}

/// In each case nobody comes in; and once the provider says what is so, somebody does.
async fn nobody_comes_in_until_it_is_mended(app: &TestApp, provider: &IdentityProvider, cases: &[Case]) {
    for (case, (wrong, status, refused)) in cases.iter().enumerate() {
        // By then the provider is asked anew for all that it publishes.
        app.clock.advance(Duration::from_mins(61));
        provider.set(|script| wrong(script, app.clock.now().as_second()));
        let person = Person::stranger(app);
        let response = comes(&person, provider).await;
        nobody_came_in(&person, response, *status, refused).await;
        assert_eq!(rows(app).await, "1 users, 0 identities, 0 sessions", "case {case}: {refused}");
        provider.set(mend);
    }
    app.clock.advance(Duration::from_mins(61));
    let person = Person::stranger(app);
    let response = comes(&person, provider).await;
    came_in(&person, response).await;
    assert_eq!(rows(app).await, "2 users, 1 identities, 1 sessions");
}

/// It says what is so again.
fn mend(script: &mut Script) {
    let usual = Script::default();
    (script.keys, script.signer, script.header, script.id_token) =
        (usual.keys, usual.signer, usual.header, usual.id_token);
    (script.token_answer, script.user_info) = (usual.token_answer, usual.user_info);
    (script.metadata, script.key_set, script.replies) = (usual.metadata, usual.key_set, usual.replies);
}

async fn an_id_token_with_a_fault_signs_nobody_in(database: Database) {
    let (app, provider) = start(database).await;
    let cases: &[Case] = &[
        (|script, _| script.id_token = json!({"iss": "https://evil.example"}), 400, "oidc_token_issuer"),
        (|script, _| script.id_token = json!({"aud": "another"}), 400, "oidc_token_audience"),
        (|script, _| script.id_token = json!({"aud": []}), 400, "oidc_token_audience"),
        (
            |script, _| script.id_token = json!({"aud": ["retinue", "stranger"], "azp": "retinue"}),
            400,
            "oidc_token_audience_untrusted",
        ),
        (|script, _| script.id_token = json!({"aud": ["retinue", "partner"]}), 400, "oidc_token_azp_missing"),
        (|script, _| script.id_token = json!({"aud": ["retinue", "partner"], "azp": "partner"}), 400, "oidc_token_azp"),
        (|script, _| script.id_token = json!({"azp": "another"}), 400, "oidc_token_azp"),
        (|script, _| script.id_token = json!({"nonce": null}), 400, "oidc_token_nonce_missing"),
        (|script, _| script.id_token = json!({"nonce": "of another sign-in"}), 400, "oidc_token_nonce"),
        (|script, now| script.id_token = json!({"exp": now - 61}), 400, "oidc_token_expired"),
        (|script, now| script.id_token = json!({"iat": now + 61}), 400, "oidc_token_issued_in_future"),
        (|script, now| script.id_token = json!({"nbf": now + 61}), 400, "oidc_token_not_yet_valid"),
        (|script, _| script.id_token = json!({"iss": null}), 400, "oidc_claim_missing"),
        (|script, _| script.id_token = json!({"aud": null}), 400, "oidc_claim_missing"),
        (|script, _| script.id_token = json!({"exp": null}), 400, "oidc_claim_missing"),
        (|script, _| script.id_token = json!({"iat": null}), 400, "oidc_claim_missing"),
        (|script, _| script.id_token = json!({"sub": null}), 400, "oidc_claim_missing"),
        (|script, _| script.id_token = json!({"sub": 7}), 400, "oidc_claim_malformed"),
        (|script, _| script.id_token = json!({"sub": ""}), 400, "oidc_token_subject"),
        (|script, _| script.id_token = json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}), 400, "oidc_token_at_hash"),
        (|script, _| script.signer = Signer::Nobody, 400, "oidc_token_algorithm"),
        (|script, _| script.header = json!({"alg": "None"}), 400, "oidc_token_algorithm"),
        (|script, _| script.signer = Signer::HmacOfPublicKey, 400, "oidc_token_algorithm"),
        (|script, _| script.header = json!({"alg": "PS256"}), 400, "oidc_token_key_unfit"),
        (|script, _| script.header = json!({"kid": "another"}), 400, "oidc_token_key_unknown"),
        (|script, _| script.signer = Signer::Corrupt, 400, "oidc_token_signature"),
        (|script, _| script.signer = Signer::Other(SigningKey::other_rsa("rsa")), 400, "oidc_token_signature"),
        (|script, _| script.header = json!({"typ": "logout+jwt"}), 400, "oidc_token_typ"),
        (|script, _| script.header = json!({"crit": ["exp"]}), 400, "oidc_token_critical"),
        (|script, _| script.token_answer = json!({"id_token": "a.b.c"}), 400, "oidc_token_malformed"),
        (|script, _| script.token_answer = json!({"id_token": null}), 503, "oidc_token_answer"),
    ];
    nobody_comes_in_until_it_is_mended(&app, &provider, cases).await;
}

async fn what_user_info_says_of_somebody_else_signs_nobody_in(database: Database) {
    let (app, provider) = start(database).await;
    // So that it is asked.
    provider.set(|script| script.person = json!({"name": "Ada Lovelace"}));
    let cases: &[Case] = &[
        (|script, _| script.user_info = json!({"sub": "eve"}), 400, "oidc_user_info_subject"),
        (|script, _| script.user_info = json!({"sub": "Ada"}), 400, "oidc_user_info_subject"),
        (|script, _| script.user_info = json!({"sub": null}), 400, "oidc_user_info_subject"),
        (|script, _| says(script, "/userinfo", Reply::Json(401, json!({}))), 503, "oidc_user_info_refused"),
        (|script, _| says(script, "/userinfo", Reply::Json(500, json!({}))), 503, "oidc_provider_failed"),
        (|script, _| says(script, "/userinfo", of_json(r#"{"sub":"ada","sub":"eve"}"#)), 503, "oidc_answer_not_json"),
        (|script, _| says(script, "/userinfo", Reply::Endless), 503, "oidc_answer_too_large"),
    ];
    nobody_comes_in_until_it_is_mended(&app, &provider, cases).await;
}

async fn a_discovery_document_with_a_fault_signs_nobody_in(database: Database) {
    let (app, provider) = start(database).await;
    let cases: &[Case] = &[
        (|script, _| script.metadata = json!({"issuer": "https://evil.example"}), 503, "oidc_metadata_issuer"),
        (|script, _| script.metadata = json!({"token_endpoint": null}), 503, "oidc_metadata_incomplete"),
        (
            |script, _| script.metadata = json!({"id_token_signing_alg_values_supported": ["none", "HS256"]}),
            503,
            "oidc_metadata_incomplete",
        ),
        (
            |script, _| script.metadata = json!({"authorization_endpoint": "http://evil.example/"}),
            503,
            "oidc_metadata_endpoint",
        ),
        (
            |script, _| script.metadata = json!({"authorization_endpoint": "javascript:alert(1)"}),
            503,
            "oidc_metadata_endpoint",
        ),
        (
            |script, _| script.metadata = json!({"token_endpoint": "http://169.254.169.254/"}),
            503,
            "oidc_metadata_endpoint",
        ),
        (
            |script, _| says(script, DOCUMENT, Reply::Redirect("https://evil.example/".to_owned())),
            503,
            "oidc_answer_redirected",
        ),
        (|script, _| says(script, DOCUMENT, Reply::Json(500, json!({}))), 503, "oidc_provider_failed"),
        (
            |script, _| says(script, DOCUMENT, Reply::Text("text/html", "<h1>Hello</h1>".to_owned())),
            503,
            "oidc_answer_not_json",
        ),
        (|script, _| says(script, DOCUMENT, of_json(r#"{"issuer":"a","issuer":"b"}"#)), 503, "oidc_answer_not_json"),
        (|script, _| says(script, DOCUMENT, Reply::Endless), 503, "oidc_answer_too_large"),
        // The document is sound, and the keys are not.
        (|script, _| script.key_set = json!({"keys": []}), 503, "oidc_key_set_invalid"),
        (
            |script, _| script.key_set = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"}]}),
            503,
            "oidc_key_set_invalid",
        ),
        (|script, _| says(script, "/keys", Reply::Endless), 503, "oidc_answer_too_large"),
    ];
    nobody_comes_in_until_it_is_mended(&app, &provider, cases).await;
}

async fn whoever_is_led_further_inside_by_a_provider_is_not_signed_in(database: Database) {
    let (app, provider) = start(database).await;
    provider.set(|script| script.person = json!({"name": "Ada Lovelace"}));
    let cases: &[Case] = &[
        (
            |script, _| script.metadata = json!({"token_endpoint": "https://169.254.169.254/"}),
            503,
            "oidc_address_refused",
        ),
        (|script, _| script.metadata = json!({"jwks_uri": "https://[fe80::1]/"}), 503, "oidc_address_refused"),
        (|script, _| script.metadata = json!({"userinfo_endpoint": "https://0.0.0.0/"}), 503, "oidc_address_refused"),
    ];
    nobody_comes_in_until_it_is_mended(&app, &provider, cases).await;
}

fn says(script: &mut Script, path: &'static str, reply: Reply) {
    script.replies.insert(path, reply);
}

fn of_json(text: &str) -> Reply {
    Reply::Text("application/json", text.to_owned())
}
