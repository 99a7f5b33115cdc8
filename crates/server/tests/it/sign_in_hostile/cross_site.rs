//! What other sites make a browser send.

use reqwest::{Method, Response};
use retinue_testkit::{IdentityProvider, Person, TestApp, with_people_on_both_engines};
use serde_json::json;

with_people_on_both_engines! {
    another_site_writes_nothing_with_somebodys_cookies,
    another_site_reads_nothing_with_somebodys_cookies,
    another_site_signs_nobody_out,
}

/// What tells where a request comes from.
const ELSEWHERE: [(&str, &str); 6] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("origin", "https://evil.example"),
    ("origin", "null"),
    ("origin", "http://127.0.0.1:1"),
    ("origin", "http://evil.127.0.0.1"),
];

async fn another_site_writes_nothing_with_somebodys_cookies(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let thread = ada.thread().await;
    let (one, title) = (format!("/api/threads/{thread}"), format!("/threads/{thread}/title"));
    let delete = format!("/threads/{thread}/delete");
    for (name, value) in ELSEWHERE {
        for (method, path, body) in [
            (Method::POST, "/api/threads", "{}"),
            (Method::PATCH, one.as_str(), r#"{"title":"Theirs"}"#),
            (Method::DELETE, one.as_str(), ""),
            (Method::POST, title.as_str(), "title=Theirs"),
            (Method::POST, delete.as_str(), ""),
            (Method::POST, "/threads", "input=Theirs"),
            (Method::POST, "/account/identities/add", "provider=sso"),
            (Method::POST, "/account/sessions/end-others", ""),
        ] {
            let media_type =
                if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
            let request = ada.request(method.clone(), path).header("content-type", media_type).header(name, value);
            let response = ada.send(request.body(body.to_owned())).await;
            is_refused(response, &format!("{method} {path} with {name}: {value}")).await;
        }
    }
    let threads = ada.get("/api/threads").await;
    assert_eq!((threads["data"].as_array().unwrap().len(), &threads["data"][0]["title"]), (1, &json!(null)));
    // A form of another site can send JSON as text.
    let text = ada.request(Method::POST, "/api/threads").header("content-type", "text/plain").body("{}");
    assert_eq!(ada.send(text).await.status(), 415);
    // Whoever is on our own page can.
    for (name, value) in [("sec-fetch-site", "same-origin"), ("origin", app.url("").as_str())] {
        let request = ada.request(Method::POST, "/api/threads").json(&json!({})).header(name, value);
        assert_eq!(ada.send(request).await.status(), 201, "{name}: {value}");
    }
}

async fn is_refused(response: Response, what: &str) {
    assert_eq!(super::code(response).await, (403, "cross_site".to_owned()), "{what}");
}

async fn another_site_reads_nothing_with_somebodys_cookies(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    for path in ["/api/threads", "/auth/me", "/account", "/auth/callback?code=x&state=y"] {
        for (site, mode) in [
            ("cross-site", "no-cors"),
            ("cross-site", "cors"),
            ("cross-site", "same-origin"),
            // A neighbour under the same domain.
            ("same-site", "no-cors"),
            ("same-site", "cors"),
        ] {
            let request = ada.request(Method::GET, path).header("sec-fetch-site", site);
            let response = ada.send(request.header("sec-fetch-mode", mode)).await;
            assert!(response.headers().get("access-control-allow-origin").is_none());
            is_refused(response, &format!("{path} {site} {mode}")).await;
        }
    }
    // A link may lead here, and a provider sends people back so.
    provider.greet("grace");
    let grace = Person::stranger(&app);
    let back = provider.visit(&grace.begin("/auth/login").await);
    let path = format!("{}?{}", back.path(), back.query().unwrap());
    let navigates = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    let request =
        navigates.iter().fold(grace.request(Method::GET, &path), |it, (name, value)| it.header(*name, *value));
    assert_eq!(grace.send(request).await.status(), 303);
    assert_eq!(grace.get("/auth/me").await["user"]["name"], "grace");
}

async fn another_site_signs_nobody_out(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    for (name, value) in ELSEWHERE {
        let response = ada.send(ada.request(Method::POST, "/auth/logout").header(name, value)).await;
        is_refused(response, &format!("{name}: {value}")).await;
    }
    assert_eq!(ada.status(Method::GET, "/auth/logout").await, 405, "nor does a picture or a link");
    assert_eq!(ada.open("/signed-out").await.status(), 303, "she is not");
    assert_eq!(ada.status(Method::GET, "/auth/me").await, 200);
}
