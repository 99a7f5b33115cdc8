//! Invitations where people sign in by address: the mail, and the account that one makes.

use reqwest::Method;
use retinue_app::local::Registration;
use retinue_testkit::{Database, LetterBox, Mail, Person, TestApp, on_both_databases};
use serde_json::{Value, json};

use super::{accept, invite, role, token};
use crate::link::{PASSWORD, link};
use crate::team::team;

on_both_databases! {
    a_mail_takes_the_link_to_whoever_is_meant_and_to_nobody_else,
    whoever_got_the_mail_makes_an_account_in_the_team,
    a_link_that_did_not_go_by_mail_shows_nobody_s_address,
    whoever_has_a_link_makes_an_account_with_an_address_of_which_nothing_is_known,
    whoever_merely_says_an_address_is_not_meant_by_it,
    an_invitation_lets_nobody_in_where_nobody_registers,
    of_two_who_make_an_account_at_once_one_does,
    mails_are_counted_as_others_are,
}

/// A server, its administrator, and a team.
pub(super) async fn start(
    database: Database,
    registration: Registration,
    mail: Option<u16>,
) -> (TestApp, Person, String) {
    let app = TestApp::local_with(database, registration, mail).await;
    let user = app.add_user("boss@example.com", Some(PASSWORD)).await;
    app.administration().await.grant_admin(&user).await.unwrap();
    let admin = Person::stranger(&app);
    assert_eq!(admin.sign_in_with("boss@example.com", PASSWORD).await.status(), 303);
    let ops = team(&admin, "Ops").await;
    (app, admin, ops)
}

async fn create(by: &Person, team: &str, new: &Value) -> Value {
    by.send_json(Method::POST, &format!("/api/teams/{team}/invitations"), new, 201).await
}

/// The next mail that invites somebody, whatever others come before it.
pub(super) async fn invitation(post: &LetterBox) -> Mail {
    loop {
        let mail = post.next().await;
        if mail.subject() == "You are invited to a team at Retinue" {
            return mail;
        }
    }
}

/// Makes an account by an invitation; the browser, the status, and the code of an error.
async fn register(app: &TestApp, said: &Value) -> (Person, u16, String) {
    let new = Person::stranger(app);
    let (status, answer) = new.post("/auth/register", said).await;
    (new, status, answer["code"].as_str().unwrap_or_default().to_owned())
}

async fn a_mail_takes_the_link_to_whoever_is_meant_and_to_nobody_else(database: Database) {
    let post = LetterBox::open().await;
    let (app, admin, ops) = start(database, Registration::Closed, Some(post.port())).await;
    let made = create(&admin, &ops, &json!({ "role": "viewer", "email": "Ada@example.com" })).await;
    assert_eq!((&made["link"], &made["mailed"]), (&Value::Null, &json!(true)));
    let mail = post.next().await;
    assert_eq!(
        (mail.to.as_slice(), mail.subject().as_str()),
        (&["Ada@example.com".to_owned()][..], "You are invited to a team at Retinue")
    );
    let (path, secret) = link(&app, &mail);
    assert!(
        mail.text().contains("“boss”") && mail.text().contains("“Ops”") && mail.text().contains("7 days"),
        "{}",
        mail.text()
    );
    let listed = admin.get(&format!("/api/teams/{ops}/invitations")).await;
    assert!(!listed.to_string().contains(&secret) && !made.to_string().contains(&secret));
    // Somebody who has an account, and has not shown yet whose the address is.
    app.add_user("ada@example.com", Some(PASSWORD)).await;
    let ada = Person::stranger(&app);
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    assert_eq!(accept(&ada, &path).await, (409, "invitation_of_another".to_owned()));
    ada.post("/auth/magic-link", &json!({ "email": "ada@example.com" })).await;
    let (_, opens) = link(&app, &post.next().await);
    assert_eq!(ada.post("/auth/magic-link/verify", &json!({ "token": opens })).await.0, 200);
    assert_eq!(accept(&ada, &path).await.0, 204);
    assert_eq!(role(&ada, &ops).await.as_deref(), Some("viewer"));
}

async fn whoever_got_the_mail_makes_an_account_in_the_team(database: Database) {
    let post = LetterBox::open().await;
    let (app, admin, ops) = start(database, Registration::Invite, Some(post.port())).await;
    create(&admin, &ops, &json!({ "role": "editor", "email": "ada@example.com" })).await;
    let (path, secret) = link(&app, &post.next().await);
    let new = Person::stranger(&app);
    let page = new.open(&path).await.text().await.unwrap();
    assert!(
        page.contains("ada@example.com") && page.contains(&format!("/auth/register?invitation={secret}")),
        "{page}"
    );
    let form = new.open(&format!("/auth/register?invitation={secret}")).await;
    assert_eq!(form.status(), 200);
    let form = form.text().await.unwrap();
    assert!(form.contains("value=\"ada@example.com\"") && !form.contains("type=\"email\""), "{form}");
    let typed = [("invitation", secret.as_str()), ("name", "Ada"), ("password", "short")];
    assert_eq!(new.submit("/auth/register", &typed).await.status(), 400);
    // Another address counts for nothing.
    let typed =
        [("invitation", secret.as_str()), ("name", "Ada"), ("password", PASSWORD), ("email", "eve@example.com")];
    assert_eq!(new.submit("/auth/register", &typed).await.status(), 303);
    let me = new.get("/auth/me").await;
    assert_eq!((&me["user"]["email"], &me["user"]["name"]), (&json!("ada@example.com"), &json!("Ada")));
    assert_eq!(role(&new, &ops).await.as_deref(), Some("editor"));
    let (_, status, code) = register(&app, &json!({ "invitation": secret, "name": "Eve", "password": PASSWORD })).await;
    assert_eq!((status, code.as_str()), (409, "invitation_spent"));
    // Whoever opened the mail has shown that the address is theirs: another one for it counts at once.
    let made = create(&admin, &ops, &json!({ "role": "admin", "email": "ada@example.com" })).await;
    assert_eq!(made["link"], Value::Null);
    let (path, _) = link(&app, &invitation(&post).await);
    assert_eq!(accept(&new, &path).await.0, 204);
}

async fn a_link_that_did_not_go_by_mail_shows_nobody_s_address(database: Database) {
    // Nothing listens there.
    let (app, admin, ops) = start(database, Registration::Invite, Some(1)).await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer", "email": "ceo@example.com" })).await;
    let listed = admin.get(&format!("/api/teams/{ops}/invitations")).await;
    assert_eq!(listed["data"][0]["mailed"], false);
    let said = json!({ "invitation": token(&path), "name": "Eve", "password": PASSWORD, "email": "ceo@example.com" });
    let (_, status, code) = register(&app, &said).await;
    assert_eq!((status, code.as_str()), (403, "address_not_shown"));
    let page = Person::stranger(&app).open(&path).await.text().await.unwrap();
    assert!(!page.contains("/auth/register"), "{page}");
    assert_eq!(app.database.ask("SELECT COUNT(*) FROM users WHERE email_key = 'ceo@example.com'").await, ["0"]);
}

async fn whoever_has_a_link_makes_an_account_with_an_address_of_which_nothing_is_known(database: Database) {
    let (app, admin, ops) = start(database, Registration::Invite, None).await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    let said = |email: &str| json!({ "invitation": token(&path), "name": "Ada", "password": PASSWORD, "email": email });
    for (email, status, code) in
        [("", 400, "invalid_email"), ("nobody", 400, "invalid_email"), ("Boss@example.com", 409, "address_taken")]
    {
        let (_, found, refused) = register(&app, &said(email)).await;
        assert_eq!((found, refused.as_str()), (status, code), "{email}");
    }
    let (new, status, _) = register(&app, &said("ada@example.com")).await;
    assert_eq!(status, 201);
    assert_eq!(role(&new, &ops).await.as_deref(), Some("viewer"));
    let (_, path) = invite(&admin, &ops, &json!({ "role": "admin", "email": "ada@example.com" })).await;
    assert_eq!(accept(&new, &path).await, (409, "invitation_of_another".to_owned()));
}

async fn an_invitation_lets_nobody_in_where_nobody_registers(database: Database) {
    let (app, admin, ops) = start(database, Registration::Closed, None).await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    let said = json!({ "invitation": token(&path), "name": "Ada", "password": PASSWORD, "email": "ada@example.com" });
    let (_, status, code) = register(&app, &said).await;
    assert_eq!((status, code.as_str()), (403, "registration_closed"));
    let form = Person::stranger(&app).open(&format!("/auth/register?invitation={}", token(&path))).await;
    assert_eq!(form.status(), 403);
}

async fn of_two_who_make_an_account_at_once_one_does(database: Database) {
    let (app, admin, ops) = start(database, Registration::Open, None).await;
    for round in 0..5 {
        let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
        let said = |who: &str| {
            let email = format!("{who}{round}@example.com");
            json!({ "invitation": token(&path), "name": who, "password": PASSWORD, "email": email })
        };
        let (ada, grace) = (said("ada"), said("grace"));
        let (one, other) = tokio::join!(register(&app, &ada), register(&app, &grace));
        let mut both = [(one.1, one.2), (other.1, other.2)];
        both.sort_unstable();
        assert_eq!(both, [(201, String::new()), (409, "invitation_spent".to_owned())]);
        let like = format!("SELECT COUNT(*) FROM users WHERE email_key LIKE '%{round}@example.com'");
        assert_eq!(app.database.ask(&like).await, ["1"], "nobody is made a user by halves");
    }
}

async fn mails_are_counted_as_others_are(database: Database) {
    let post = LetterBox::open().await;
    let (_app, admin, ops) = start(database, Registration::Invite, Some(post.port())).await;
    let new = json!({ "role": "viewer", "email": "ada@example.com" });
    let path = format!("/api/teams/{ops}/invitations");
    let mut made = 0;
    let refused = loop {
        let (status, answer) = admin.post(&path, &new).await;
        if status != 201 {
            break (status, answer["code"].clone());
        }
        made += 1;
        assert!(made < 10, "nobody is slowed down");
    };
    assert_eq!(refused, (429, json!("too_many_attempts")));
    let listed = admin.get(&path).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), made, "what is not sent is not made either");
}

/// Until a mail shows that it is theirs. Whoever was given it on the machine is meant at once.
async fn whoever_merely_says_an_address_is_not_meant_by_it(database: Database) {
    let post = LetterBox::open().await;
    let (app, admin, ops) = start(database, Registration::Invite, Some(post.port())).await;
    let other = team(&admin, "Other").await;
    let (_, path) = invite(&admin, &ops, &json!({ "role": "viewer" })).await;
    let said = json!({ "invitation": token(&path), "name": "Eve", "password": PASSWORD, "email": "ceo@example.com" });
    let (eve, status, _) = register(&app, &said).await;
    assert_eq!(status, 201);
    let members = format!("/api/teams/{other}/members");
    let ceo = json!({ "email": "CEO@example.com", "role": "admin" });
    assert_eq!(admin.send_json(Method::POST, &members, &ceo, 400).await["code"], "user_unknown");
    let administration = app.administration().await;
    let found = administration.find("ceo@example.com").await.map_err(|error| error.code());
    assert_eq!(found.map(|user| user.id), Err("not_found"));
    assert_eq!(administration.find(&eve.id().await).await.unwrap().name, "Eve", "by id");
    let user = administration.find(&eve.id().await).await.unwrap();
    administration.set_password(&user, app.hash(PASSWORD).await).await.unwrap();
    assert_eq!(administration.find("ceo@example.com").await.unwrap_err().code(), "not_found", "it is still a claim");

    let given = app.add_user("boss2@example.com", None).await;
    assert_eq!(administration.find("boss2@example.com").await.unwrap().id, given.id);
    let named = json!({ "email": "boss2@example.com", "role": "viewer" });
    assert_eq!(admin.send_json(Method::POST, &members, &named, 201).await["user_id"], json!(given.id.to_string()));

    let owner = Person::stranger(&app);
    owner.post("/auth/magic-link", &json!({ "email": "ceo@example.com" })).await;
    let mail = loop {
        let mail = post.next().await;
        if mail.text().contains("/auth/magic-link") {
            break mail;
        }
    };
    let (_, opens) = link(&app, &mail);
    assert_eq!(owner.post("/auth/magic-link/verify", &json!({ "token": opens })).await.0, 200);
    let made = admin.send_json(Method::POST, &members, &ceo, 201).await;
    assert_eq!(made["user_id"], json!(owner.id().await), "a mail showed it");
}
