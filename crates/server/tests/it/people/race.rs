//! Two who change each other at once.

use reqwest::Method;
use retinue_testkit::{Database, Person, TestApp, on_both_databases};
use serde_json::json;

on_both_databases! {
    one_who_runs_the_installation_is_left_by_two_who_stop_each_other,
}

/// Nobody is declared: the two were made administrators, and each takes it from the other, or shuts the other out.
async fn one_who_runs_the_installation_is_left_by_two_who_stop_each_other(database: Database) {
    let (app, sso) = TestApp::with_provider_and_auth(database, |auth| auth.admins.clear()).await;
    let [ada, grace] = [Person::signed_in(&app, &sso, "ada").await, Person::signed_in(&app, &sso, "grace").await];
    let ids = [ada.id().await, grace.id().await];
    for body in [json!({ "organization_admin": false }), json!({ "disabled": true })] {
        for _ in 0..3 {
            app.database
                .ask("UPDATE users SET organization_admin = (1 = 1), disabled_at = NULL WHERE email IS NOT NULL")
                .await;
            let [ada, grace] =
                [Person::signed_in(&app, &sso, "ada").await, Person::signed_in(&app, &sso, "grace").await];
            let stop = async |person: &Person, user: &str| {
                let request = person.request(Method::PATCH, &format!("/api/users/{user}")).json(&body);
                person.send(request).await.status().as_u16()
            };
            let both = tokio::join!(stop(&ada, &ids[1]), stop(&grace, &ids[0]));
            assert!(both.0 == 200 || both.1 == 200, "{both:?}");
            let left = "SELECT COUNT(*) FROM users WHERE organization_admin = (1 = 1) AND disabled_at IS NULL";
            assert_eq!(app.database.ask(left).await, ["1"], "{both:?}");
        }
    }
}
