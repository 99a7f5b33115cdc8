//! How fast an end acts where it is made: what was promised is measured. Of other processes: see `local` and `user`.

use std::time::{Duration, Instant};

use reqwest::Method;
use retinue_testkit::{IdentityProvider, Person, TestApp, UnderWay, keeps, with_people_on_both_engines};
use tokio::time::timeout;

with_people_on_both_engines! {
    what_is_ended_here_ends_within_100_milliseconds,
    who_signs_out_hears_no_more_within_100_milliseconds,
}

const AT_ONCE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);

/// How long somebody goes on to hear an answer that is never finished.
async fn goes_on(mut under_way: UnderWay) -> Duration {
    let since = Instant::now();
    let end = async { while under_way.events.next().await.is_some() {} };
    timeout(PATIENCE, end).await.expect("the stream goes on");
    since.elapsed()
}

async fn what_is_ended_here_ends_within_100_milliseconds(app: TestApp, provider: IdentityProvider) {
    let desk = Person::signed_in(&app, &provider, "ada").await;
    for alone in [true, false] {
        keeps(AT_ONCE, "the stream of a session that was ended", async || {
            let phone = Person::signed_in(&app, &provider, "ada").await;
            let under_way = phone.under_way(&app).await;
            let sessions = phone.get("/api/sessions").await;
            let is_current = |session: &&serde_json::Value| session["current"] == serde_json::json!(true);
            let id = &sessions["data"].as_array().unwrap().iter().find(is_current).unwrap()["id"];
            if alone {
                let path = format!("/api/sessions/{}", id.as_str().unwrap());
                assert_eq!(desk.status(Method::DELETE, &path).await, 204);
            } else {
                assert_eq!(desk.submit("/account/sessions/end-others", &[]).await.status(), 303);
            }
            let went_on = goes_on(under_way).await;
            assert_eq!(phone.status(Method::GET, "/auth/me").await, 401);
            went_on
        })
        .await;
    }
    assert_eq!(desk.status(Method::GET, "/auth/me").await, 200);
}

async fn who_signs_out_hears_no_more_within_100_milliseconds(app: TestApp, provider: IdentityProvider) {
    keeps(AT_ONCE, "the stream of who signed out", async || {
        let ada = Person::signed_in(&app, &provider, "ada").await;
        let (under_way, before) = (ada.under_way(&app).await, ada.again_at(&app));
        assert_eq!(ada.submit("/auth/logout", &[]).await.status(), 200, "and at the provider");
        let went_on = goes_on(under_way).await;
        assert_eq!(before.status(Method::GET, "/auth/me").await, 401);
        went_on
    })
    .await;
}
