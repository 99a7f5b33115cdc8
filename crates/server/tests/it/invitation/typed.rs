//! `retinue invitation …`, as it is typed.

use reqwest::Method;
use retinue_testkit::{LetterBox, Person};
use serde_json::{Value, json};

use super::{accept, role};
use crate::link::PASSWORD;
use crate::user::Typed;

const TO_ADA: [&str; 6] = ["invitation", "create", "--team", "default", "--email", "ada@example.com"];
const LIST: [&str; 4] = ["invitation", "list", "--team", "default"];

/// In a folder where people sign in with addresses; mail goes to this port, if one is given.
fn typed(mail: Option<u16>) -> Typed {
    let typed = Typed::on(None);
    let mail = mail.map(|port| {
        format!(
            "[mail]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"Retinue <retinue@example.com>\"\n"
        )
    });
    let text = format!("[auth]\nmode = \"local\"\n{}", mail.unwrap_or_default());
    std::fs::write(typed.folder.path().join("retinue.toml"), text).unwrap();
    typed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invitations_are_made_listed_and_taken_back_beside_a_running_server() {
    let typed = typed(None);
    typed.said(&["user", "add", "ada@example.com"], PASSWORD);
    let server = typed.serve("local").await;
    let ada = Person::at(format!("http://{}", server.address()));
    assert_eq!(ada.sign_in_with("ada@example.com", PASSWORD).await.status(), 303);
    let create = ["invitation", "create", "--team", "default", "--role", "editor"];
    let made = typed.json(&create, "");
    let link = made["link"].as_str().unwrap().to_owned();
    let id = made["invitation"]["id"].as_str().unwrap().to_owned();
    assert_eq!((&made["invitation"]["role"], &made["invitation"]["invited_by"]), (&json!("editor"), &Value::Null));
    let said = typed.said(&create, "");
    assert!(
        said.starts_with("Give this link to whoever is meant: it leads into Default (default).")
            && said.contains("token="),
        "{said}"
    );
    let listed = typed.said(&LIST, "");
    assert!(listed.contains(&id) && listed.contains("editor") && listed.contains("whoever has the link"), "{listed}");
    assert_eq!(typed.json(&LIST, "").as_array().unwrap().len(), 2);
    let page = ada.open(&link[link.find("/invitations/").unwrap()..]).await.text().await.unwrap();
    assert!(page.contains("Whoever runs this server"), "{page}");
    assert_eq!(accept(&ada, &link).await.0, 204);
    let default = ada.get("/api/teams").await["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(role(&ada, &default).await.as_deref(), Some("editor"));
    let left = typed.json(&LIST, "")[0]["id"].as_str().unwrap().to_owned();
    assert_ne!(left, id);
    assert_eq!(typed.said(&["invitation", "revoke", &left], ""), format!("{left} does not count any more.\n"));
    assert!(typed.said(&LIST, "").starts_with("Nobody is invited"));
    for wrong in [
        &["invitation", "revoke", &left][..],
        &["invitation", "revoke", "none"],
        &["invitation", "list", "--team", "nowhere"],
        &["invitation", "create", "--team", "nowhere"],
        &["invitation", "create", "--team", "default", "--role", "king"],
        &["invitation", "create", "--team", "default", "--email", "nobody"],
    ] {
        assert!(!typed.complaint(wrong, "").is_empty());
    }
    assert_eq!(ada.status(Method::GET, "/api/teams").await, 200);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_goes_by_mail_or_to_nobody_unless_that_is_wanted() {
    let post = LetterBox::open().await;
    let sends = typed(Some(post.port()));
    let said = sends.said(&TO_ADA, "");
    assert!(
        said.starts_with("A mail to ada@example.com has the link into Default (default).") && !said.contains("token="),
        "{said}"
    );
    let mail = post.next().await;
    assert!(mail.text().contains("/invitations/accept?token=") && mail.text().contains("“Default”"), "{}", mail.text());
    let made = sends.json(&TO_ADA, "");
    assert_eq!((&made["link"], &made["invitation"]["mailed"]), (&Value::Null, &json!(true)));

    let can_not = typed(Some(1));
    let complaint = can_not.complaint(&TO_ADA, "");
    assert!(complaint.contains("--no-mail") && !complaint.contains("token="), "{complaint}");
    assert!(can_not.said(&LIST, "").starts_with("Nobody is invited"), "nothing is left of it");
    let made = can_not.json(&[&TO_ADA[..], &["--no-mail"]].concat(), "");
    assert!(made["link"].is_string());
    assert_eq!(made["invitation"]["mailed"], false);
}

#[test]
fn where_nobody_signs_in_nobody_is_invited() {
    let complaint = Typed::on(None).complaint(&["invitation", "create", "--team", "default"], "");
    assert!(complaint.contains("Nobody signs in"), "{complaint}");
}
