//! Cookies that are not as we made them, and other credentials beside them.

use reqwest::{Method, RequestBuilder, Response};
use retinue_testkit::{Database, IdentityProvider, Person, TestApp, with_people_on_both_engines};

use super::{code, nobody_came_in};

with_people_on_both_engines! {
    a_session_cookie_that_was_changed_counts_for_nothing,
    a_session_cookie_counts_alone_and_under_its_own_name,
    what_a_browser_kept_of_a_sign_in_can_not_be_changed,
    another_credential_beside_a_session_is_not_passed_over,
}

/// The code of the answer to whoever asks with this header.
async fn told(person: &Person, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> (u16, String) {
    code(person.send(change(person.request(Method::GET, "/api/threads"))).await).await
}

fn ended() -> (u16, String) {
    (401, "session_ended".to_owned())
}

async fn a_session_cookie_that_was_changed_counts_for_nothing(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    app.app.set_keys(app.foreign_keys());
    let elsewhere = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(elsewhere.status(Method::GET, "/auth/me").await, 200);
    app.app.set_keys(app.keys());
    let (own, other) = (ada.session_cookie(), grace.session_cookie());
    let parts = |cookie: &str| cookie.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (one, two) = (parts(&own), parts(&other));
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let changed = [
        own[..own.len() - 1].to_owned(),
        own[1..].to_owned(),
        format!("{own}A"),
        format!("{own}."),
        format!("{}.{}.{}", one[0], two[1], one[2]),
        format!("{}.{}.", one[0], one[1]),
        format!("{none}.{}.", one[1]),
        format!("{none}.{}.{}", one[1], one[2]),
        format!("{}.{}", one[0], one[1]),
        own.to_uppercase(),
        own.repeat(2),
        "a".repeat(6000),
        "..".to_owned(),
        elsewhere.session_cookie(),
    ];
    let thief = Person::stranger(&app);
    for cookie in changed {
        let told = told(&thief, |request| request.header("cookie", format!("retinue-session={cookie}"))).await;
        assert_eq!(told, ended(), "{cookie}");
    }
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 200, "as it is it counts");
}

async fn a_session_cookie_counts_alone_and_under_its_own_name(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let (own, other) = (ada.session_cookie(), grace.session_cookie());
    let thief = Person::stranger(&app);
    let with = async |cookie: String| told(&thief, |request| request.header("cookie", cookie)).await;
    for two in [
        format!("retinue-session={own}; retinue-session={other}"),
        format!("retinue-session={own}; retinue-session={own}"),
        format!("retinue-session={own}; retinue-session="),
        format!("retinue-session=; retinue-session={own}"),
        format!("retinue-session={own};retinue-session=x"),
    ] {
        assert_eq!(with(two.clone()).await, ended(), "{two}");
    }
    let lines = told(&thief, |request| {
        request.header("cookie", format!("retinue-session={own}")).header("cookie", format!("retinue-session={other}"))
    });
    assert_eq!(lines.await, ended(), "in two headers");
    for name in ["Retinue-Session", "__Host-retinue-session", "retinue-session2", "xretinue-session", "session"] {
        assert_eq!(with(format!("{name}={own}")).await, (401, "not_signed_in".to_owned()), "{name}");
    }
    assert_eq!(with("retinue-session=".to_owned()).await, (401, "not_signed_in".to_owned()));
    let beside = thief.request(Method::GET, "/api/threads").header("cookie", format!("a=b; retinue-session={own}; c"));
    assert_eq!(thief.send(beside).await.status(), 200, "others may stand beside it");
}

async fn what_a_browser_kept_of_a_sign_in_can_not_be_changed(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let changes: [fn(&str) -> String; 5] = [
        |kept| kept[..kept.len() - 1].to_owned(),
        |kept| kept[1..].to_owned(),
        |kept| kept.replace(|c: char| c.is_ascii_digit(), "A"),
        |_| String::from("x.y"),
        |kept| format!("{kept}A"),
    ];
    for change in changes {
        let person = Person::stranger(&app);
        let back = provider.visit(&person.begin("/auth/login").await);
        person.cookies(|cookies| cookies.values_mut().for_each(|kept| *kept = change(kept)));
        nobody_came_in(&person, person.come_back(&back).await, 400, "sign_in_unknown").await;
    }
    // What another instance keeps is of no use here.
    let person = Person::stranger(&app);
    app.app.set_keys(app.foreign_keys());
    let back = provider.visit(&person.begin("/auth/login").await);
    app.app.set_keys(app.keys());
    nobody_came_in(&person, person.come_back(&back).await, 400, "sign_in_unknown").await;
    // Neither kind is taken for the other.
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let session = ada.session_cookie();
    let back = provider.visit(&person.begin("/auth/login").await);
    let mut kept = String::new();
    person.cookies(|cookies| {
        for value in cookies.values_mut() {
            kept = std::mem::replace(value, session.clone());
        }
        cookies.insert("retinue-session".to_owned(), kept);
    });
    nobody_came_in(&person, person.come_back(&back).await, 400, "sign_in_unknown").await;
}

async fn another_credential_beside_a_session_is_not_passed_over(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    for (name, value, code) in [
        ("authorization", "Bearer x", "credential_kind_disabled"),
        ("authorization", "bearer x", "credential_kind_disabled"),
        ("authorization", "BEARER   x", "credential_kind_disabled"),
        ("authorization", "Bearer\tx", "credential_kind_disabled"),
        ("authorization", "Bearer", "invalid_request"),
        ("authorization", "Bearer x y", "invalid_request"),
        ("authorization", "Bearer rtn_x", "invalid_api_key"),
        ("x-api-key", "x", "credential_kind_disabled"),
        ("x-api-key", "", "invalid_request"),
        ("X-API-Key", "rtn_x", "invalid_api_key"),
    ] {
        let told = told(&ada, |request| request.header(name, value)).await;
        assert_eq!(told, (401, code.to_owned()), "{name}: {value}");
    }
    let two = told(&ada, |request| request.header("authorization", "Basic eDp5").header("authorization", "Bearer x"));
    assert_eq!(two.await, (401, "invalid_request".to_owned()));
    let page = ada.request(Method::GET, "/agents").header("accept", "text/html").header("authorization", "Bearer x");
    let page = ada.send(page).await;
    assert_eq!(
        (page.status().as_u16(), page.headers()["www-authenticate"].to_str().unwrap()),
        (401, "Bearer realm=\"retinue\", error=\"invalid_token\"")
    );
    let page = page.text().await.unwrap();
    assert!(page.contains("The token in this request is not accepted"), "{page}");
    // Whoever signs out with one is not told that they are signed out when they are not.
    let out = ada.send(ada.request(Method::POST, "/auth/logout").header("authorization", "Bearer x")).await;
    assert_eq!(out.status(), 401);
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200);
}

/// The cookie of a session, as an answer sets it.
fn session_set_by(response: &Response) -> Vec<String> {
    let mut set = response.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let session = set.find(|cookie| cookie.contains("retinue-session=")).unwrap();
    session.split(';').map(|part| part.trim().to_owned()).collect()
}

/// No script reads it, no other site sends it, and over https no neighbour under the same domain sets one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_cookie_stays_where_it_belongs() {
    let (app, provider) = TestApp::with_provider(Database::sqlite()).await;
    let set = session_set_by(&Person::stranger(&app).sign_in(&provider, "ada", "/").await);
    assert!(set[0].starts_with("retinue-session="), "{set:?}");
    assert_eq!(set[1..], ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=2592000"]);

    let https = |auth: &mut retinue_app::Auth| auth.public_url = "https://agents.example.com".to_owned();
    let (app, provider) = TestApp::with_provider_and_auth(Database::sqlite(), https).await;
    let ada = Person::stranger(&app);
    let set = session_set_by(&ada.sign_in(&provider, "ada", "/").await);
    let value = set[0].strip_prefix("__Host-retinue-session=").unwrap_or_else(|| panic!("{set:?}"));
    assert_eq!(set[1..], ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=2592000", "Secure"]);
    let neighbour = Person::stranger(&app);
    let told = told(&neighbour, |request| request.header("cookie", format!("retinue-session={value}")));
    assert_eq!(told.await, (401, "not_signed_in".to_owned()));
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 200);
}
