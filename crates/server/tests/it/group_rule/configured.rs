//! Rules as they are configured: what is wrong with them is said before anything starts, and `retinue doctor` looks whether
//! the provider says what they go by.

use std::sync::Arc;

use retinue_app::Clock;
use retinue_testkit::{FakeClock, IdentityProvider};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::doctor::{retinue, settings};

/// A folder with this configuration.
fn with(file: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("retinue.toml"), file).unwrap();
    folder
}

const GOOD: &str = "[[auth.group_rules]]\ngroup = \"a\"\nteam = \"b\"\nrole = \"viewer\"\n";

#[test]
fn wrong_rules_are_refused_by_key_with_the_mend() {
    let many = GOOD.repeat(1_001);
    let cases: [(&str, String, &[&str]); 7] = [
        ("", many, &["auth.group_rules", "1000"]),
        ("group = \"a\"", "group = \"\"".to_owned(), &["auth.group_rules[0].group"]),
        ("group = \"a\"", format!("group = \"{}\"", "a".repeat(1_025)), &["auth.group_rules[0].group", "1024"]),
        ("team = \"b\"", "team = \"B b\"".to_owned(), &["auth.group_rules[0].team"]),
        ("role = \"viewer\"", "role = \"king\"".to_owned(), &["auth.group_rules[0].role", "`admin`"]),
        ("role = \"viewer\"", "role = \"viewer\"\nprovider = \"no\"".to_owned(), &["auth.group_rules[0].provider"]),
        ("role = \"viewer\"", "roles = \"viewer\"".to_owned(), &["auth.group_rules"]),
    ];
    for (good, wrong, words) in cases {
        let file = if good.is_empty() { wrong } else { GOOD.replace(good, &wrong) };
        let folder = with(&file);
        let (code, said) = retinue(folder.path(), &["config", "check"], &settings("https://idp.example"));
        assert_eq!(code, Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
    }
    let folder = with(&GOOD.replace("role = \"viewer\"", "role = \"viewer\"\nprovider = \"sso\""));
    let (code, said) = retinue(folder.path(), &["config", "check"], &settings("https://idp.example"));
    assert_eq!(code, Some(0), "{said}");
    for mode in ["single_user", "local"] {
        let (code, said) = retinue(with(GOOD).path(), &["config", "check"], &[("AUTH_MODE", mode)]);
        assert!(code == Some(2) && said.contains("auth.group_rules") && said.contains("AUTH_MODE=oidc"), "{said}");
    }
}

#[test]
fn the_doctor_says_which_rules_lead_to_no_team() {
    let folder = with(&[GOOD, &GOOD.replace("\"b\"", "\"default\""), &GOOD.replace("\"a\"", "\"c\"")].concat());
    let typed = |arguments: &[&str]| retinue(folder.path(), arguments, &settings("http://127.0.0.1:1")).1;
    let doctor = || {
        let said = typed(&["doctor"]);
        let lines = said.lines().filter_map(|line| Some(line.split_once(" group rules: ")?.1.to_owned()));
        lines.collect::<Vec<_>>()
    };
    assert!(doctor()[0].contains("There is no database yet"));
    assert!(!folder.path().join("data").exists(), "looking changes nothing");
    assert!(typed(&["team", "list"]).contains("default"));
    let said = doctor();
    assert_eq!(said.len(), 2, "{said:?}");
    for (line, start) in
        said.iter().zip(["auth.group_rules[0] lets the group a", "auth.group_rules[2] lets the group c"])
    {
        assert!(line.starts_with(start) && line.contains("`retinue team create NAME --slug b`"), "{line}");
    }
    typed(&["team", "create", "Bees", "--slug", "b"]);
    assert_eq!(doctor(), ["All teams are there that they name."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_whether_the_provider_announces_the_claim() {
    let clock = Arc::new(FakeClock::default());
    let provider = IdentityProvider::start(clock as Arc<dyn Clock>).await;
    let ask = |file: &str, metadata: Value| {
        provider.set(|script| script.metadata = metadata);
        let (folder, issuer) = (with(file), provider.issuer().to_owned());
        tokio::task::spawn_blocking(move || retinue(folder.path(), &["doctor"], &settings(&issuer)).1)
    };
    let nested = format!("[auth.oidc]\ngroups_claim = \"realm_access.roles\"\n{GOOD}");
    for (file, metadata, line) in [
        (
            GOOD,
            json!({ "claims_supported": ["sub", "email"] }),
            "note     groups: The provider does not announce the claim groups",
        ),
        (GOOD, json!({ "claims_supported": ["sub", "groups"] }), "ok       groups: "),
        (GOOD, json!({}), "note     groups: Whether the provider sends the claim groups"),
        (
            GOOD,
            json!({ "scopes_supported": ["openid", "groups"] }),
            "note     groups: The provider has a scope `groups`",
        ),
        (&nested, json!({ "claims_supported": ["realm_access"] }), "ok       groups: "),
        (
            &nested,
            json!({ "claims_supported": ["groups"] }),
            "note     groups: The provider does not announce the claim realm_access.roles",
        ),
    ] {
        let said = ask(file, metadata).await.unwrap();
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    let said = ask("", json!({ "claims_supported": ["sub"] })).await.unwrap();
    assert!(!said.contains("groups:"), "nobody wants to know: {said}");
}
