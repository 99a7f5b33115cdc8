//! Invitations and mails: what goes to an address, and what leads back to an invitation.

use std::time::Duration;

use retinue_app::local::Registration;
use retinue_testkit::{Database, LetterBox, Mail, Person, TestApp, location, on_both_databases};
use serde_json::{Value, json};

use super::by_address::{invitation, start};
use super::page::page;
use super::{accept, invite};
use crate::link::{PASSWORD, link};

on_both_databases! {
    an_address_gets_a_mail_and_the_page_no_link,
    a_mail_to_sign_in_leads_back_to_the_invitation,
}

/// The next mail with a link in it. Others only tell of something.
async fn opening(app: &TestApp, post: &LetterBox) -> Mail {
    loop {
        let mail = post.next().await;
        if mail.text().lines().any(|line| line.starts_with(&app.url("/auth/"))) {
            return mail;
        }
    }
}

async fn an_address_gets_a_mail_and_the_page_no_link(database: Database) {
    let post = LetterBox::open().await;
    let (app, admin, ops) = start(database, Registration::Closed, Some(post.port())).await;
    let (place, form) = (format!("/teams/{ops}"), [("email", "ada@example.com"), ("role", "viewer"), ("days", "1")]);
    let made = admin.submit(&format!("{place}/invitations"), &form).await;
    assert_eq!(location(&made), format!("{place}#invitations"));
    let (_, secret) = link(&app, &invitation(&post).await);
    let listed = page(&admin, &place).await;
    assert!(listed.contains("ada@example.com") && listed.contains("by mail") && !listed.contains(&secret), "{listed}");
}

/// Whoever was invited and signs in with a link by mail comes back to the invitation, and no words of a stranger get into that
/// mail.
async fn a_mail_to_sign_in_leads_back_to_the_invitation(database: Database) {
    let post = LetterBox::open().await;
    let (app, admin, ops) = start(database, Registration::Closed, Some(post.port())).await;
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    let ada = Person::stranger(&app);
    for ask in ["/auth/magic-link", "/auth/password-reset"] {
        let asked = json!({ "email": "ada@example.com", "return_to": path });
        assert_eq!(ada.post(ask, &asked).await.0, 200);
        let (opens, _) = link(&app, &opening(&app, &post).await);
        assert!(opens.ends_with(&format!("&return_to={path}")), "{opens}");
        if ask == "/auth/magic-link" {
            let shown = page(&ada, &opens).await;
            let hidden = |name: &str| {
                let (_, rest) =
                    shown.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{shown}"));
                rest.split_once('"').unwrap().0.to_owned()
            };
            let form = [("token", hidden("token")), ("return_to", hidden("return_to"))];
            let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
            assert_eq!(location(&ada.submit("/auth/magic-link/verify", &form).await), path);
        }
    }
    assert_eq!(accept(&ada, &path).await.0, 204);
    let call =
        format!("/invitations/accept?token={}", "call-0800-for-your-locked-account-or-else-xx".get(..43).unwrap());
    for dead in [path.as_str(), &call, "/invitations/accept?token=locked", "/invitations/accept?token=x&y=locked"] {
        let asked = json!({ "email": "ada@example.com", "return_to": dead });
        let (status, _): (u16, Value) = Person::stranger(&app).post("/auth/magic-link", &asked).await;
        assert_eq!(status, 200);
        let text = opening(&app, &post).await.text();
        assert!(!text.contains("return_to") && !text.contains("locked"), "{text}");
        app.clock.advance(Duration::from_hours(1));
    }
}
