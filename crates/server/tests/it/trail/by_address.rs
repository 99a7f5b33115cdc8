//! What is told where people sign in by address, besides of their accounts.

use retinue_model::Email;
use retinue_model::audit::Action;
use retinue_testkit::{Database, Person, TestApp, on_both_databases};

use super::denied::was_denied;
use super::watch::{Watch, is_by_the_operator};
use crate::link::PASSWORD;

on_both_databases! {
    a_password_that_is_not_one_s_own_is_told,
    whom_the_operator_invites_is_told,
}

async fn a_password_that_is_not_one_s_own_is_told(database: Database) {
    let app = TestApp::local(database).await;
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let mut watch = Watch::over(&app).await;
    watch.hides("no password of hers");
    let form = [("current_password", "no password of hers"), ("password", "another battery horse staple")];
    assert_eq!(ada.submit("/account/password", &form).await.status(), 400);
    was_denied(&watch.one(Action::AccessRefused).await, &ada, ("session", "wrong_password")).await;
}

async fn whom_the_operator_invites_is_told(database: Database) {
    let app = TestApp::local(database).await;
    let mut watch = Watch::over(&app).await;
    let token = app.administration().await.invite(&Email::new("ada@example.com").unwrap()).await.unwrap();
    watch.hides(&token);
    watch.hides("ada@example.com");
    let told = watch.one(Action::InvitationCreated).await;
    is_by_the_operator(&told);
    assert_eq!(told.target.unwrap().kind, "account_invitation");
}
