//! Invitations on a team's page, and the way to one, as a browser without scripts takes it.

use retinue_testkit::{IdentityProvider, Person, TestApp, location, with_people_on_both_engines};
use serde_json::json;

use super::{accept, role, token};
use crate::team::{People, join, people, team};

with_people_on_both_engines! {
    a_link_is_made_shown_once_and_taken_back,
    a_link_counts_for_the_address_that_was_typed,
    what_can_not_be_is_said_beside_what_was_typed,
    only_those_who_run_a_team_see_who_is_invited,
}

pub(super) async fn page(person: &Person, path: &str) -> String {
    let response = person.open(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

/// The link of an invitation on a page, as a path.
fn link_on(page: &str) -> &str {
    let (_, rest) = page.split_once("<code>http://").unwrap_or_else(|| panic!("no link: {page}"));
    let link = rest.split_once('<').unwrap().0;
    &link[link.find("/invitations/").unwrap()..]
}

async fn a_link_is_made_shown_once_and_taken_back(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let (place, form) = (format!("/teams/{ops}"), [("role", "editor"), ("days", "7")]);
    let shown = page(&admin, &place).await;
    assert!(shown.contains("Nobody is invited") && shown.contains("this server sends no mail"), "{shown}");
    let made = admin.submit(&format!("{place}/invitations"), &form).await;
    assert_eq!(made.status(), 201);
    let made = made.text().await.unwrap();
    let path = link_on(&made).to_owned();
    assert!(made.contains("not shown again"));
    let listed = page(&admin, &place).await;
    assert!(listed.contains("Whoever has the link") && listed.contains("<bdi>admin</bdi>"), "{listed}");
    assert!(!listed.contains(token(&path)));
    let offer = page(&ada, &path).await;
    assert!(offer.contains("<bdi>Ops</bdi></strong> (<code>ops</code>)"), "{offer}");
    let accepted = ada.submit("/invitations/accept", &[("token", token(&path))]).await;
    assert_eq!(location(&accepted), place, "to what one came for");
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("editor"));

    let second = admin.submit(&format!("{place}/invitations"), &form).await.text().await.unwrap();
    let id = admin.get(&format!("/api/teams/{ops}/invitations")).await["data"][0]["id"].as_str().unwrap().to_owned();
    let revoke = format!("{place}/invitations/{id}/revoke");
    assert_eq!(grace.submit(&revoke, &[]).await.status(), 404);
    assert_eq!(ada.submit(&revoke, &[]).await.status(), 403);
    assert_eq!(location(&admin.submit(&revoke, &[]).await), format!("{place}#invitations"));
    assert_eq!(accept(&grace, link_on(&second)).await, (409, "invitation_spent".to_owned()));
    let again = admin.submit(&revoke, &[]).await;
    assert_eq!(again.status(), 404, "it is gone");
    assert!(again.text().await.unwrap().contains("role=\"alert\""));
}

async fn what_can_not_be_is_said_beside_what_was_typed(app: TestApp, provider: IdentityProvider) {
    let admin = Person::signed_in(&app, &provider, "admin").await;
    let ops = team(&admin, "Ops").await;
    let path = format!("/teams/{ops}/invitations");
    let beside = admin.submit(&path, &[("email", "nobody"), ("role", "viewer"), ("days", "7")]).await;
    assert!(beside.text().await.unwrap().contains("id=\"invite-error\""), "it stands beside its field");
    for (email, role, days, words) in [
        ("", "king", "30", "A role is"),
        ("", "admin", "31", "Choose one of the times"),
        ("", "admin", "-1", "Choose one of the times"),
        ("nobody", "admin", "30", "address"),
    ] {
        let refused = admin.submit(&path, &[("email", email), ("role", role), ("days", days)]).await;
        assert_eq!(refused.status(), 400, "{email} {role} {days}");
        let shown = refused.text().await.unwrap();
        assert!(shown.contains(words) && shown.contains("role=\"alert\""), "{shown}");
        if role == "admin" {
            assert!(shown.contains("<option value=\"admin\" selected>"), "what was chosen is kept: {shown}");
        }
    }
    let more = [("role", "viewer"), ("days", "7"), ("organization_id", "x"), ("invited_by", "x"), ("mailed", "1")];
    assert_eq!(admin.submit(&path, &more).await.status(), 201);
    let listed = admin.get(&format!("/api/teams/{ops}/invitations")).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["data"][0]["invited_by"], &listed["data"][0]["mailed"]),
        (&json!(admin.id().await), &json!(false))
    );
}

/// Where no mail goes out, whoever invites passes the link on; it counts for the one address all the same.
async fn a_link_counts_for_the_address_that_was_typed(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    let form = [("email", "grace@example.com"), ("role", "viewer"), ("days", "7")];
    let made = admin.submit(&format!("/teams/{ops}/invitations"), &form).await.text().await.unwrap();
    assert!(made.contains("Pass this link on to <bdi>grace@example.com</bdi> yourself"), "{made}");
    let path = link_on(&made);
    assert_ne!(accept(&ada, path).await.0, 204);
    assert_eq!(role(&ada, &ops).await, None);
    assert_eq!(accept(&grace, path).await.0, 204);
    assert_eq!(role(&grace, &ops).await.as_deref(), Some("viewer"));
}

async fn only_those_who_run_a_team_see_who_is_invited(app: TestApp, provider: IdentityProvider) {
    let People { admin, ada, grace } = people(&app, &provider).await;
    let ops = team(&admin, "Ops").await;
    join(&admin, &ops, &ada, "editor").await;
    let (place, form) = (format!("/teams/{ops}"), [("role", "viewer"), ("days", "1")]);
    assert_eq!(admin.submit(&format!("{place}/invitations"), &form).await.status(), 201);
    let seen = page(&ada, &place).await;
    assert!(!seen.contains("Invitations") && !seen.contains("Whoever has the link"), "{seen}");
    assert_eq!(ada.submit(&format!("{place}/invitations"), &form).await.status(), 403);
    assert_eq!(grace.submit(&format!("{place}/invitations"), &form).await.status(), 404);
}
