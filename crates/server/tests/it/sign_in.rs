//! Signing in at a provider, and what a session is worth, through the doors.

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, location, with_people_on_both_engines};
use serde_json::json;

with_people_on_both_engines! {
    people_sign_in_and_have_conversations_of_their_own,
    whoever_is_not_signed_in_is_led_to_where_they_can,
    signing_out_ends_the_session_and_its_streams,
    the_provider_can_sign_somebody_out,
}

async fn people_sign_in_and_have_conversations_of_their_own(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let me = ada.get("/auth/me").await;
    assert_eq!((&me["user"]["name"], &me["user"]["email"]), (&json!("ada"), &json!("ada@example.com")));
    assert_eq!((&me["mode"], &me["principal"]["via"]), (&json!("oidc"), &json!("session")));
    assert_eq!(me["principal"]["organization_admin"], json!(false));
    assert_ne!(ada.id().await, grace.id().await);
    let thread = ada.thread().await;
    assert_eq!(ada.get("/api/threads").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(grace.get("/api/threads").await["data"], json!([]));
    assert_eq!(grace.status(Method::GET, &format!("/api/threads/{thread}")).await, 404);
    // The same subject is the same user, in another browser too.
    let again = Person::signed_in(&app, &provider, "ada").await;
    assert_eq!(again.id().await, ada.id().await);
    assert_eq!(again.get("/api/threads").await["data"][0]["id"], json!(thread));
    let admin = Person::signed_in(&app, &provider, "admin").await;
    assert_eq!(admin.get("/auth/me").await["principal"]["organization_admin"], json!(true));
    assert_eq!(admin.status(Method::GET, &format!("/api/threads/{thread}")).await, 404);
}

async fn whoever_is_not_signed_in_is_led_to_where_they_can(app: TestApp, provider: IdentityProvider) {
    let stranger = Person::stranger(&app);
    assert_eq!(stranger.status(Method::GET, "/api/threads").await, 401);
    let refused = stranger.sign_in_with("ada@example.com", "something").await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("Nobody signs in with an address here."));
    let page = stranger.send(stranger.request(Method::GET, "/agents?x=1").header("accept", "text/html")).await;
    assert_eq!((page.status().as_u16(), location(&page).as_str()), (303, "/sign-in?return_to=%2Fagents%3Fx%3D1"));
    let back = stranger.sign_in(&provider, "ada", "%2Fagents%3Fx%3D1").await;
    assert_eq!(location(&back), "/agents?x=1");
    assert_eq!(stranger.status(Method::GET, "/api/threads").await, 200);
}

async fn signing_out_ends_the_session_and_its_streams(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let mut under_way = ada.under_way(&app).await;
    let cookie = ada.session_cookie();
    let out = ada.submit("/auth/logout", &[]).await;
    // A redirect would be held by the policy that lets forms lead nowhere else.
    assert_eq!(out.status(), 200);
    let page = out.text().await.unwrap();
    assert!(page.contains(&format!("url={}/end_session?", provider.issuer())), "{page}");
    while let Some(event) = under_way.events.next().await {
        assert_ne!(event.name, "run.completed");
    }
    ada.cookies(|cookies| drop(cookies.insert("retinue-session".to_owned(), cookie)));
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 401);
}

async fn the_provider_can_sign_somebody_out(app: TestApp, provider: IdentityProvider) {
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let grace = Person::signed_in(&app, &provider, "grace").await;
    let token = provider.logout_token(&json!({"sub": "ada", "sid": null}));
    let stranger = Person::stranger(&app);
    let told = stranger.submit("/auth/backchannel-logout", &[("logout_token", &token)]).await;
    assert_eq!(told.status(), 200);
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 401);
    assert_eq!(grace.status(Method::GET, "/api/threads").await, 200);
    let ada = Person::signed_in(&app, &provider, "ada").await;
    let again = stranger.submit("/auth/backchannel-logout", &[("logout_token", &token)]).await;
    assert_eq!(again.status(), 400);
    assert_eq!(ada.status(Method::GET, "/api/threads").await, 200);
}
