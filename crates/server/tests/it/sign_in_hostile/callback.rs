//! What comes back to `/auth/callback`, rightly or not.

use std::time::Duration;

use reqwest::Method;
use retinue_testkit::identity_provider::Reply;
use retinue_testkit::{IdentityProvider, Person, TestApp, location, until, with_people_on_both_engines};
use serde_json::json;
use tokio::task::JoinSet;

use super::{came_in, code, nobody_came_in, says_why};

with_people_on_both_engines! {
    a_callback_that_can_not_be_read_signs_nobody_in,
    a_callback_in_another_browser_signs_nobody_in,
    a_callback_that_is_used_twice_signs_in_once,
    one_sign_in_asks_the_provider_once_however_often_it_is_shown,
    one_network_with_many_codes_keeps_out_itself_alone,
    whoever_is_overtaken_again_and_again_begins_anew,
    a_sign_in_goes_on_when_the_browser_hangs_up,
    whoever_tries_again_goes_to_where_they_wanted,
    a_sign_in_that_takes_over_an_hour_begins_anew,
    two_tabs_can_sign_in_at_once,
    a_sign_in_survives_a_restart_of_the_server,
    a_person_who_says_no_is_told_so,
    nobody_is_led_to_another_site,
    programs_are_told_in_json,
}

async fn a_callback_that_can_not_be_read_signs_nobody_in(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let person = Person::stranger(&app);
    let back = provider.visit(&person.begin("/auth/login").await);
    let query = back.query().unwrap().to_owned();
    let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let long = "a".repeat(8 * 1024);
    for (query, refused) in [
        (String::new(), "oidc_callback_incomplete"),
        ("code=x".to_owned(), "oidc_callback_incomplete"),
        (format!("state={state}"), "oidc_callback_incomplete"),
        ("state=&code=".to_owned(), "oidc_callback_incomplete"),
        (format!("{query}&code=x"), "oidc_callback_repeated"),
        (format!("{query}&state={state}"), "oidc_callback_repeated"),
        (format!("code=x&state={long}"), "oidc_callback_too_large"),
        (format!("state={state}&code={long}{long}{long}"), "oidc_callback_too_large"),
        (format!("state={state}&code=a%0d%0aSet-Cookie:%20a=b"), "oidc_callback_malformed"),
        ("code=x&state=%00".to_owned(), "oidc_callback_malformed"),
        (format!("{query}&error=access_denied"), "oidc_callback_malformed"),
        ("code=x&state=%ff%fe".to_owned(), "oidc_callback_malformed"),
        ("code=x&state=nobody-began-this".to_owned(), "sign_in_unknown"),
        ("code=x&state=;%20Path=/,a=b".to_owned(), "sign_in_unknown"),
    ] {
        for path in ["/auth/callback", "/auth/callback/sso"] {
            nobody_came_in(&person, person.open(&format!("{path}?{query}")).await, 400, refused).await;
        }
    }
    // None of that used up the sign-in that is under way.
    came_in(&person, person.come_back(&back).await).await;
}

/// An attacker begins to sign in, and lets somebody else end it: they would work in the attacker's account.
async fn a_callback_in_another_browser_signs_nobody_in(app: TestApp, provider: IdentityProvider) {
    let (attacker, victim) = (Person::stranger(&app), Person::stranger(&app));
    provider.greet("attacker");
    let trap = provider.visit(&attacker.begin("/auth/login").await);
    nobody_came_in(&victim, victim.come_back(&trap).await, 400, "sign_in_unknown").await;

    // Nor if they have begun one themselves, or are signed in.
    provider.greet("victim");
    let own = provider.visit(&victim.begin("/auth/login").await);
    nobody_came_in(&victim, victim.come_back(&trap).await, 400, "sign_in_unknown").await;
    came_in(&victim, victim.come_back(&own).await).await;
    says_why(victim.come_back(&trap).await, 400, "sign_in_unknown").await;
    assert_eq!(victim.get("/auth/me").await["user"]["name"], "victim");

    // The code of one sign-in with the state of another.
    provider.greet("attacker");
    let theirs = provider.visit(&attacker.begin("/auth/login").await);
    let other = Person::stranger(&app);
    let mut mixed = provider.visit(&other.begin("/auth/login").await);
    let of =
        |url: &reqwest::Url, wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned();
    let query = format!("code={}&state={}&iss={}", of(&theirs, "code"), of(&mixed, "state"), of(&theirs, "iss"));
    mixed.set_query(Some(&query));
    nobody_came_in(&other, other.come_back(&mixed).await, 400, "oidc_code_refused").await;
}

async fn a_callback_that_is_used_twice_signs_in_once(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let person = Person::stranger(&app);
    let back = provider.visit(&person.begin("/auth/login").await);
    let thief = person.again_at(&app);
    came_in(&person, person.come_back(&back).await).await;
    says_why(person.come_back(&back).await, 400, "sign_in_unknown").await;
    assert_eq!(person.status(Method::GET, "/auth/me").await, 200, "whoever loads the page again stays signed in");
    // Somebody who copied the cookies before has a code that counted once.
    nobody_came_in(&thief, thief.come_back(&back).await, 400, "oidc_code_refused").await;
    assert_eq!(provider.asked("/token").len(), 1, "the provider is not asked again");
}

async fn one_sign_in_asks_the_provider_once_however_often_it_is_shown(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let person = Person::stranger(&app);
    let back = provider.visit(&person.begin("/auth/login").await);
    let mut coming = Vec::new();
    for _ in 0..20 {
        let (thief, back) = (person.again_at(&app), back.clone());
        coming.push(tokio::spawn(async move { thief.come_back(&back).await.status().as_u16() }));
    }
    let mut statuses = Vec::new();
    for one in coming {
        statuses.push(one.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (303, &[400; 19][..]));
    assert_eq!(provider.asked("/token").len(), 1);
}

async fn one_network_with_many_codes_keeps_out_itself_alone(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let come = async |person: &Person, path: &str, address: &str| {
        let request = person.request(Method::GET, path).header("accept", "text/html");
        person.send(request.header("x-forwarded-for", address)).await
    };
    let begin = async || {
        let person = Person::stranger(&app);
        let back = provider.visit(&person.begin("/auth/login").await);
        (person, format!("{}?{}", back.path(), back.query().unwrap()))
    };
    let mut crowd = Vec::new();
    for _ in 0..81 {
        crowd.push(begin().await);
    }
    let (elsewhere, way) = begin().await;
    provider.hold("/token");
    // Sixteen are taken there, and as many wait as may.
    let mut coming = JoinSet::new();
    for (person, back) in crowd {
        coming.spawn(async move {
            let answer = come(&person, &back, "192.0.2.7").await;
            (person, back, answer)
        });
    }
    let (ada, back, refused) = coming.join_next().await.unwrap().unwrap();
    says_why(refused, 503, "sign_in_busy").await;
    provider.held("/token", 16).await;
    let let_in = tokio::spawn(async move { come(&elsewhere, &way, "192.0.2.8").await.status().as_u16() });
    provider.held("/token", 17).await;
    provider.release("/token");
    assert_eq!(let_in.await.unwrap(), 303);
    for (_, _, answer) in coming.join_all().await {
        assert_eq!(answer.status(), 303);
    }
    // The page is loaded again.
    came_in(&ada, come(&ada, &back, "192.0.2.7").await).await;
}

/// Each time that it is looked who this is, somebody else has written it down since.
async fn whoever_is_overtaken_again_and_again_begins_anew(app: TestApp, provider: IdentityProvider) {
    let before = Person::signed_in(&app, &provider, "ada").await.id().await;
    // As if, for as long as it lasts: another organization has the identity, so that it is not found, and can't be added.
    let organization =
        "INSERT INTO organizations (id, name, created_at) SELECT user_id, 'Other', created_at FROM identities";
    app.database.ask(organization).await;
    app.database.ask("UPDATE identities SET organization_id = user_id").await;
    let ada = Person::stranger(&app);
    let back = provider.visit(&ada.begin("/auth/login").await);
    nobody_came_in(&ada, ada.come_back(&back).await, 409, "sign_in_overtaken").await;
    says_why(ada.come_back(&back).await, 400, "sign_in_unknown").await;
    app.database
        .ask("UPDATE identities SET organization_id = (SELECT id FROM organizations WHERE name = 'Default')")
        .await;
    let back = provider.visit(&ada.begin("/auth/login").await);
    came_in(&ada, ada.come_back(&back).await).await;
    assert_eq!(ada.id().await, before);
}

async fn a_sign_in_goes_on_when_the_browser_hangs_up(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let person = Person::stranger(&app);
    let back = provider.visit(&person.begin("/auth/login").await);
    provider.hold("/token");
    let browser = person.again_at(&app);
    let coming = tokio::spawn(async move { drop(browser.come_back(&back).await) });
    provider.held("/token", 1).await;
    coming.abort();
    drop(coming.await);
    // The server has seen that it is gone when it has answered somebody else.
    assert_eq!(person.status(Method::GET, "/healthz").await, 200);
    provider.release("/token");
    let sessions = async || (app.database.ask("SELECT method FROM sessions").await == ["oidc"]).then_some(());
    until("the session is there", Duration::from_secs(5), sessions).await;
}

async fn whoever_tries_again_goes_to_where_they_wanted(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let person = Person::stranger(&app);
    let mut back = provider.visit(&person.begin("/auth/login?return_to=/agents%3Fx%3D1").await);
    back.query_pairs_mut().append_pair("error", "access_denied");
    let unread = person.come_back(&back).await.text().await.unwrap();
    assert!(unread.contains(r#"href="/sign-in">Try again"#), "nobody knows what that was: {unread}");
    let kept: Vec<(String, String)> = back.query_pairs().into_owned().filter(|(name, _)| name != "code").collect();
    back.query_pairs_mut().clear().extend_pairs(kept);
    let page = person.come_back(&back).await.text().await.unwrap();
    let again = "/sign-in?return_to=%2Fagents%3Fx%3D1";
    assert!(page.contains(&format!(r#"href="{again}">Try again"#)), "{page}");
    let page = person.open(again).await.text().await.unwrap();
    assert!(page.contains("return_to=%2Fagents%3Fx%3D1"), "{page}");
    provider.reply("/.well-known/openid-configuration", Reply::Json(503, json!({})));
    app.clock.advance(Duration::from_hours(25));
    let page = person.open("/auth/login?return_to=/agents%3Fx%3D1").await;
    assert_eq!(page.status(), 503);
    assert!(page.text().await.unwrap().contains(&format!(r#"href="{again}">Try again"#)));
}

async fn a_sign_in_that_takes_over_an_hour_begins_anew(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let person = Person::stranger(&app);
    let back = provider.visit(&person.begin("/auth/login").await);
    app.clock.advance(Duration::from_mins(61));
    nobody_came_in(&person, person.come_back(&back).await, 400, "oidc_callback_expired").await;
    let back = provider.visit(&person.begin("/auth/login").await);
    app.clock.advance(Duration::from_mins(59));
    came_in(&person, person.come_back(&back).await).await;
}

async fn two_tabs_can_sign_in_at_once(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let person = Person::stranger(&app);
    let one = provider.visit(&person.begin("/auth/login").await);
    let other = provider.visit(&person.begin("/auth/login?return_to=/account").await);
    came_in(&person, person.come_back(&one).await).await;
    assert_eq!(location(&person.come_back(&other).await), "/account");
    let sessions = person.get("/api/sessions").await;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1, "a browser has one session: {sessions}");
    // A browser that never ends any does not come with ever more cookies.
    for _ in 0..30 {
        person.begin("/auth/login").await;
    }
    let mut count = 0;
    person.cookies(|cookies| count = cookies.len());
    assert!(count < 12, "{count}");
}

async fn a_sign_in_survives_a_restart_of_the_server(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    let person = Person::stranger(&app);
    let back = provider.visit(&person.begin("/auth/login").await);
    let signed_in = Person::signed_in(&app, &provider, "ada").await;
    let app = app.restart().await;
    let person = person.again_at(&app);
    came_in(&person, person.come_back(&back).await).await;
    let signed_in = signed_in.again_at(&app);
    assert_eq!(signed_in.status(Method::GET, "/auth/me").await, 200, "and so does a session");
}

async fn a_person_who_says_no_is_told_so(app: TestApp, provider: IdentityProvider) {
    provider.greet("ada");
    for (error, status, refused) in [
        ("access_denied", 403, "oidc_denied"),
        ("login_required", 403, "oidc_interaction_required"),
        ("server_error", 503, "oidc_provider_failed"),
        ("<script>alert(1)</script>", 400, "oidc_provider_refused"),
    ] {
        let person = Person::stranger(&app);
        let mut back = provider.visit(&person.begin("/auth/login").await);
        let kept: Vec<(String, String)> = back.query_pairs().into_owned().filter(|(name, _)| name != "code").collect();
        back.query_pairs_mut().clear().extend_pairs(kept).append_pair("error", error);
        nobody_came_in(&person, person.come_back(&back).await, status, refused).await;
    }
}

async fn nobody_is_led_to_another_site(app: TestApp, provider: IdentityProvider) {
    for hostile in [
        "//evil.example",
        "///evil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "/%09/evil.example",
        "/%0a/evil.example",
        "https:evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/%0d%0aSet-Cookie:%20retinue-session=stolen",
        "/%00",
        "evil.example",
        "%20//evil.example",
        "/auth/logout",
        "/sign-in",
    ] {
        let person = Person::stranger(&app);
        let page = person.open(&format!("/sign-in?return_to={hostile}")).await;
        assert_eq!(page.status(), 200);
        let page = page.text().await.unwrap();
        assert!(page.contains("return_to=%2F\"") && !page.contains("evil"), "{hostile}: {page}");
        let back = person.sign_in(&provider, "ada", hostile).await;
        assert_eq!((back.status().as_u16(), location(&back).as_str()), (303, "/"), "{hostile}");
        assert_eq!(back.headers().get_all("set-cookie").iter().count(), 2, "{hostile}");
        let known = person.open(&format!("/sign-in?return_to={hostile}")).await;
        assert_eq!(location(&known), "/", "{hostile}");
    }
    // A path that looks like another host is no page of ours.
    let nobody = Person::stranger(&app);
    assert_eq!(nobody.open("//evil.example/").await.status(), 404);
}

async fn programs_are_told_in_json(app: TestApp, _: IdentityProvider) {
    let program = Person::stranger(&app);
    let ask = async |path: &str| code(program.send(program.request(Method::GET, path)).await).await;
    assert_eq!(ask("/auth/callback").await, (400, "oidc_callback_incomplete".to_owned()));
    assert_eq!(ask("/auth/callback?code=x&state=y").await, (400, "sign_in_unknown".to_owned()));
    assert_eq!(ask("/auth/callback/nobody?code=x&state=y").await, (400, "sign_in_unknown".to_owned()));
    assert_eq!(ask("/auth/login?provider=nobody").await, (400, "provider_unknown".to_owned()));
}
