//! A provider that is down, and comes back.

use std::time::Duration;

use retinue_oidc::{Limits, Options};
use retinue_testkit::identity_provider::Reply;
use serde_json::json;

use crate::stage::{Stage, code};

const DOCUMENT: &str = "/.well-known/openid-configuration";

async fn begun(stage: &Stage) -> &'static str {
    code(stage.provider.begin(stage.moment(), Options::default()).await)
}

#[tokio::test]
async fn a_provider_that_is_down_at_start_is_found_when_it_is_up() {
    let stage = Stage::start().await;
    stage.idp.stop().await;
    assert_eq!(code(stage.provider.prepare(stage.now()).await), "oidc_provider_unreachable");
    stage.idp.start_again().await;
    assert_eq!(begun(&stage).await, "oidc_provider_unreachable", "it is left alone for a second");
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(stage.refusal().await, "");
}

#[tokio::test]
async fn a_provider_that_is_down_is_asked_ever_more_rarely() {
    let stage = Stage::start().await;
    stage.idp.reply(DOCUMENT, Reply::Json(503, json!({})));
    // Somebody wants to sign in every second for five minutes.
    for _ in 0..300 {
        assert_eq!(begun(&stage).await, "oidc_provider_failed");
        stage.clock.advance(Duration::from_secs(1));
    }
    let asked = stage.idp.asked(DOCUMENT).len();
    assert!((8..=11).contains(&asked), "1, 2, 4, 8, 16, 32, 60, 60, 60 seconds apart: {asked}");
    stage.idp.set(|script| script.replies.clear());
    stage.clock.advance(Duration::from_mins(1));
    assert_eq!(begun(&stage).await, "");
}

#[tokio::test]
async fn one_request_serves_all_who_wait() {
    let stage = Stage::start().await;
    let (a, b, c, d) = tokio::join!(begun(&stage), begun(&stage), begun(&stage), begun(&stage));
    assert_eq!([a, b, c, d], ["", "", "", ""]);
    assert_eq!(stage.idp.asked(DOCUMENT).len(), 1);

    let stage = Stage::start().await;
    stage.idp.reply(DOCUMENT, Reply::Json(500, json!({})));
    let (a, b, c, d) = tokio::join!(begun(&stage), begun(&stage), begun(&stage), begun(&stage));
    assert_eq!([a, b, c, d], ["oidc_provider_failed"; 4]);
    assert_eq!(stage.idp.asked(DOCUMENT).len(), 1, "who waits for one that fails does not ask again");
}

#[tokio::test]
async fn whoever_waited_for_an_attempt_that_failed_does_not_wait_for_another() {
    let limits = Limits { whole: Duration::from_millis(200), ..Limits::default() };
    let stage = Stage::with(|config| config.limits = limits).await;
    stage.idp.reply(DOCUMENT, Reply::Silent);
    let now = stage.now();
    let (first, second) =
        tokio::join!(stage.provider.prepare(now), stage.provider.prepare(now + Duration::from_secs(5)));
    assert_eq!([code(first), code(second)], ["oidc_answer_too_slow"; 2]);
    assert_eq!(stage.idp.asked(DOCUMENT).len(), 1);
}

#[tokio::test]
async fn an_outage_does_not_forget_what_is_known() {
    let stage = Stage::start().await;
    assert_eq!(stage.refusal().await, "");
    stage.idp.reply(DOCUMENT, Reply::Json(500, json!({})));
    stage.clock.advance(Duration::from_hours(2));
    assert_eq!(begun(&stage).await, "");
    stage.clock.advance(Duration::from_hours(23));
    assert_eq!(begun(&stage).await, "oidc_provider_failed");
}

#[tokio::test]
async fn a_document_that_changed_is_read_within_the_hour() {
    let stage = Stage::start().await;
    assert_eq!(begun(&stage).await, "");
    let elsewhere = format!("{}/elsewhere", stage.idp.issuer());
    stage.idp.set(|script| script.metadata = json!({"authorization_endpoint": elsewhere}));
    stage.clock.advance(Duration::from_hours(1));
    assert!(stage.begin().await.url.starts_with(&elsewhere));
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_nothing_for_ever() {
    let stage = Stage::start().await;
    assert_eq!(begun(&stage).await, "");
    stage.clock.set_back(Duration::from_hours(48));
    assert_eq!(begun(&stage).await, "");
    assert_eq!(stage.idp.asked(DOCUMENT).len(), 2);
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_refuses_nobody_for_good() {
    let stage = Stage::start().await;
    for status in [429, 500, 502, 503, 408] {
        stage.idp.reply("/token", Reply::Json(status, json!({"error": "invalid_grant"})));
        assert_eq!(stage.refusal().await, "oidc_provider_failed", "{status}");
    }
    // A firewall in between, which does not speak the protocol.
    stage.idp.reply("/token", Reply::Json(403, json!({"message": "blocked"})));
    assert_eq!(stage.refusal().await, "oidc_provider_failed");
    let begun = stage.begin().await;
    let back = stage.idp.visit(&begun.url);
    stage.idp.stop().await;
    assert_eq!(code(stage.finish_with(back.query().unwrap(), begun).await), "oidc_provider_unreachable");
}
