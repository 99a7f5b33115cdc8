//! Logout tokens (OpenID Connect Back-Channel Logout 1.0).

use reqwest::Method;
use retinue_testkit::identity_provider::Signer;
use retinue_testkit::{IdentityProvider, Person, SigningKey, TestApp, with_people_on_both_engines};
use serde_json::{Value, json};

with_people_on_both_engines! {
    a_provider_ends_one_session_by_its_own_name_for_it,
    a_provider_ends_all_sessions_of_a_person,
    a_session_without_a_name_ends_with_any_of_its_person,
    whoever_comes_in_without_a_name_is_signed_out_too,
    a_logout_token_that_is_not_quite_one_ends_nothing,
    a_logout_token_counts_once,
    a_logout_token_of_a_session_that_is_not_there_is_taken,
    whoever_is_signed_out_while_they_sign_in_does_not_come_in,
    a_person_with_many_sessions_is_signed_out_of_all,
}

/// The program's answer to a token: a status, and a code if it is refused.
async fn tell(app: &TestApp, token: &str) -> (u16, String) {
    let provider = Person::stranger(app);
    let request = provider.request(Method::POST, "/auth/backchannel-logout");
    let response = provider
        .send(request.header("content-type", "application/x-www-form-urlencoded").body(format!("logout_token={token}")))
        .await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

async fn is_in(person: &Person) -> bool {
    person.status(Method::GET, "/auth/me").await == 200
}

/// Two sessions of Ada with the provider's names `one` and `two`, and one of Grace.
async fn people(app: &TestApp, provider: &IdentityProvider) -> [Person; 3] {
    let mut found = Vec::new();
    for (subject, session) in [("ada", "one"), ("ada", "two"), ("grace", "three")] {
        let person = Person::stranger(app);
        provider.greet(subject);
        provider.set(|script| session.clone_into(&mut script.session));
        assert_eq!(person.sign_in_at("sso", provider).await.status(), 303);
        found.push(person);
    }
    found.try_into().unwrap()
}

async fn a_provider_ends_one_session_by_its_own_name_for_it(app: TestApp, provider: IdentityProvider) {
    let [one, two, grace] = people(&app, &provider).await;
    let token = provider.logout_token(&json!({"sub": null, "sid": "one"}));
    assert_eq!(tell(&app, &token).await.0, 200);
    assert_eq!((is_in(&one).await, is_in(&two).await, is_in(&grace).await), (false, true, true));
}

async fn a_provider_ends_all_sessions_of_a_person(app: TestApp, provider: IdentityProvider) {
    let [one, two, grace] = people(&app, &provider).await;
    let token = provider.logout_token(&json!({"sub": "ada", "sid": null}));
    assert_eq!(tell(&app, &token).await.0, 200);
    assert_eq!((is_in(&one).await, is_in(&two).await, is_in(&grace).await), (false, false, true));
}

async fn a_session_without_a_name_ends_with_any_of_its_person(app: TestApp, provider: IdentityProvider) {
    let [one, two, grace] = people(&app, &provider).await;
    provider.set(|script| script.id_token = json!({"sid": null}));
    let nameless = Person::signed_in(&app, &provider, "ada").await;
    let graces = Person::signed_in(&app, &provider, "grace").await;
    assert_eq!(tell(&app, &provider.logout_token(&json!({"sub": "ada", "sid": "one"}))).await.0, 200);
    assert_eq!([is_in(&one).await, is_in(&nameless).await], [false, false]);
    assert_eq!([is_in(&two).await, is_in(&grace).await, is_in(&graces).await], [true, true, true]);
}

async fn whoever_comes_in_without_a_name_is_signed_out_too(app: TestApp, provider: IdentityProvider) {
    for (claims, is_out) in [(json!({"sid": null}), true), (json!({"sid": "two"}), false)] {
        provider.greet("ada");
        provider.set(|script| script.id_token = claims.clone());
        let person = Person::stranger(&app);
        let back = provider.visit(&person.begin("/auth/login").await);
        let told = provider.logout_token(&json!({"sub": "ada", "sid": "one", "jti": claims.to_string()}));
        assert_eq!(tell(&app, &told).await.0, 200);
        let status = person.come_back(&back).await.status().as_u16();
        assert_eq!(status, if is_out { 409 } else { 303 }, "{claims}");
    }
}

async fn a_logout_token_that_is_not_quite_one_ends_nothing(app: TestApp, provider: IdentityProvider) {
    let [one, two, grace] = people(&app, &provider).await;
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let patches = [
        (json!({"aud": "another"}), "oidc_token_audience"),
        (json!({"aud": ["another"]}), "oidc_token_audience"),
        (json!({"aud": null}), "oidc_claim_missing"),
        (json!({"iss": "https://evil.example"}), "logout_issuer_unknown"),
        (json!({"iss": null}), "oidc_claim_missing"),
        (json!({"nonce": "n"}), "oidc_logout_nonce"),
        (json!({"exp": 1}), "oidc_token_expired"),
        (json!({"exp": null}), "oidc_claim_missing"),
        (json!({"iat": 4_000_000_000_i64, "exp": 4_000_000_100_i64}), "oidc_token_issued_in_future"),
        (json!({"events": null}), "oidc_logout_event"),
        (json!({"events": {event: true}}), "oidc_logout_event"),
        (json!({"events": {event: null, "other": {}}}), "oidc_logout_event"),
        (json!({"sub": null, "sid": null}), "oidc_logout_subject"),
        (json!({"jti": null}), "oidc_claim_missing"),
        (json!({"jti": ""}), "oidc_claim_malformed"),
        (json!({"sid": 7}), "oidc_claim_malformed"),
    ];
    for (patch, refused) in patches {
        let mut claims = json!({"sub": "ada", "sid": null});
        claims.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        assert_eq!(tell(&app, &provider.logout_token(&claims)).await, (400, refused.to_owned()), "{patch}");
    }
    for signer in
        [Signer::Nobody, Signer::Corrupt, Signer::HmacOfPublicKey, Signer::Other(SigningKey::other_rsa("rsa"))]
    {
        provider.set(|script| script.signer = signer.clone());
        let (status, refused) = tell(&app, &provider.logout_token(&json!({"sub": "ada", "sid": null}))).await;
        assert!(status == 400 && refused.starts_with("oidc_token_"), "{signer:?}: {status} {refused}");
    }
    provider.set(|script| (script.signer, script.header) = (Signer::Published(0), json!({"typ": "at+jwt"})));
    let token = provider.logout_token(&json!({"sub": "ada", "sid": null}));
    assert_eq!(tell(&app, &token).await, (400, "oidc_token_typ".to_owned()));
    for token in ["", "x", "a.b.c", &"a".repeat(20_000)] {
        assert_eq!(tell(&app, token).await.0, 400, "{token}");
    }
    assert!(is_in(&one).await && is_in(&two).await && is_in(&grace).await);
}

async fn a_logout_token_counts_once(app: TestApp, provider: IdentityProvider) {
    let [one, ..] = people(&app, &provider).await;
    let token = provider.logout_token(&json!({"sub": "ada", "sid": null}));
    assert_eq!(tell(&app, &token).await.0, 200);
    assert!(!is_in(&one).await);
    let again = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(tell(&app, &token).await, (400, "logout_token_replayed".to_owned()));
    assert!(is_in(&again).await);
    let app = app.restart().await;
    let again = again.again_at(&app);
    assert_eq!(tell(&app, &token).await, (400, "logout_token_replayed".to_owned()), "after a restart too");
    assert!(is_in(&again).await);
}

async fn a_logout_token_of_a_session_that_is_not_there_is_taken(app: TestApp, provider: IdentityProvider) {
    let [one, two, grace] = people(&app, &provider).await;
    for (number, claims) in
        [json!({"sub": "ada", "sid": "unknown"}), json!({"sub": "nobody", "sid": null})].iter_mut().enumerate()
    {
        claims["jti"] = json!(format!("logout {number}"));
        assert_eq!(tell(&app, &provider.logout_token(claims)).await.0, 200, "{claims}");
    }
    assert!(is_in(&one).await && is_in(&two).await && is_in(&grace).await);
}

async fn whoever_is_signed_out_while_they_sign_in_does_not_come_in(app: TestApp, provider: IdentityProvider) {
    let token = |number: u8, claims: Value| {
        let mut claims = claims;
        claims["jti"] = json!(format!("logout {number}"));
        provider.logout_token(&claims)
    };
    for (number, claims) in
        (0..).zip([json!({"sub": "ada", "sid": null}), json!({"sub": null, "sid": "one"}), json!({"sid": "one"})])
    {
        provider.greet("ada");
        provider.set(|script| "one".clone_into(&mut script.session));
        // The code is on its way to the provider, or has not even been brought back.
        let (early, late) = (Person::stranger(&app), Person::stranger(&app));
        let late_back = provider.visit(&late.begin("/auth/login").await);
        let back = provider.visit(&early.begin("/auth/login").await);
        let browser = early.again_at(&app);
        provider.hold("/token");
        let coming = tokio::spawn(async move { browser.come_back(&back).await });
        provider.held("/token", 1).await;
        assert_eq!(tell(&app, &token(number, claims.clone())).await.0, 200);
        provider.release("/token");
        let early = coming.await.unwrap();
        for refused in [early, late.come_back(&late_back).await] {
            let (status, page) = (refused.status().as_u16(), refused.text().await.unwrap());
            assert!(status == 409 && page.contains("<code>signed_out_meanwhile</code>"), "{claims}: {status} {page}");
        }
        assert!(!is_in(&late).await);
        // Somebody else is not meant, and whoever begins anew comes in.
        let grace = Person::signed_in(&app, &provider, "grace").await;
        assert!(is_in(&grace).await);
        let again = Person::signed_in(&app, &provider, "ada").await;
        assert!(is_in(&again).await, "{claims}");
    }
}

async fn a_person_with_many_sessions_is_signed_out_of_all(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let number = match app.database.location() {
        retinue_store::Location::Sqlite(_) => "randomblob(16)",
        retinue_store::Location::Postgres { .. } => "gen_random_uuid()",
    };
    let columns = "organization_id, user_id, identity_id, method, provider_session, user_agent, address, created_at, \
        last_seen_at, expires_at";
    for _ in 0..11 {
        app.database
            .ask(&format!("INSERT INTO sessions (id, {columns}) SELECT {number}, {columns} FROM sessions"))
            .await;
    }
    let token = provider.logout_token(&json!({"sub": "ada", "sid": null}));
    assert_eq!(tell(&app, &token).await.0, 200);
    assert!(!is_in(&ada).await && is_in(&grace).await);
    let open = "SELECT COUNT(*) FROM sessions s JOIN identities i ON i.id = s.identity_id \
        WHERE s.ended_at IS NULL AND i.subject = 'ada'";
    assert_eq!(app.database.ask(open).await, ["0"]);
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM revocations").await, ["1"], "one row says it of all");
}
