//! Signing in while somebody wants it to go wrong: callbacks that nobody was sent back with, cookies that are not ours,
//! requests from other sites, logout tokens that no provider means, and what a provider says that is not so.

mod back_channel;
mod callback;
mod cookie;
mod cross_site;
mod mixed_up;
mod provider;

use reqwest::{Method, Response};
use retinue_testkit::{Person, location};

/// The page says why nobody was signed in and what to do, and leads to where one begins again.
async fn says_why(response: Response, status: u16, code: &str) {
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let sets_session = response.headers().get_all("set-cookie").iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap();
        cookie.starts_with("retinue-session=") || cookie.contains('\r') || cookie.contains('\n')
    });
    let found = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert_eq!(found, status, "{code}: {text}");
    assert!(!sets_session, "{code}");
    assert!(text.contains(&format!("<code>{code}</code>")), "{code} is not on the page: {text}");
    assert!(text.contains(&format!("<code>{request_id}</code>")), "what the log calls it is not on the page: {text}");
    assert!(text.contains("You were not signed in") && text.contains(r#"href="/sign-in""#), "{text}");
    let (_, detail) = text.split_once("</h1>\n<p>").unwrap();
    let detail = detail.split_once("</p>").unwrap().0;
    let next = ["egin it again", "Try to sign in again", "Try again", "Ask whoever", "Sign in", "Choose one"];
    assert!(next.iter().any(|words| detail.contains(words)), "{code} does not say what to do: {detail}");
}

/// The same, and nobody is signed in afterwards.
async fn nobody_came_in(person: &Person, response: Response, status: u16, code: &str) {
    says_why(response, status, code).await;
    assert_eq!(person.status(Method::GET, "/auth/me").await, 401, "{code}");
}

/// They were signed in, and led to `/`.
async fn came_in(person: &Person, response: Response) {
    let status = response.status();
    assert!(status == 303 && location(&response) == "/", "{status}: {}", response.text().await.unwrap());
    assert_eq!(person.status(Method::GET, "/auth/me").await, 200);
}

/// The code of an answer to a program.
async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: serde_json::Value = response.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().ends_with('.'), "{problem}");
    (status, problem["code"].as_str().unwrap().to_owned())
}
