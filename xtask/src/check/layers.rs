//! The layer rule: which crate may use which, and which of them may use the crates that belong to one layer.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Problem;

/// A crate of ours, and the crates of ours that it may use. ARCHITECTURE.md draws the same picture.
const LAYERS: &[(&str, &[&str])] = &[
    ("retinue-model", &[]),
    ("retinue-store", &["retinue-model"]),
    ("retinue-agent", &["retinue-model"]),
    ("retinue-oidc", &["retinue-model"]),
    ("retinue-app", &["retinue-model", "retinue-store", "retinue-agent", "retinue-oidc"]),
    ("retinue-web", &["retinue-model", "retinue-app"]),
    (
        "retinue-server",
        &["retinue-model", "retinue-store", "retinue-agent", "retinue-oidc", "retinue-app", "retinue-web"],
    ),
    (
        TESTKIT,
        &[
            "retinue-model",
            "retinue-store",
            "retinue-agent",
            "retinue-oidc",
            "retinue-app",
            "retinue-web",
            "retinue-server",
        ],
    ),
    ("xtask", &[]),
];

/// For the tests of every crate but the one that tests us.
const TESTKIT: &str = "retinue-testkit";

/// Crates from elsewhere that are one layer's own business.
const RESERVED: &[Reserved] = &[
    Reserved {
        crates: &["rusqlite", "tokio-postgres", "deadpool-postgres", "tokio-postgres-rustls"],
        users: &["retinue-store", TESTKIT],
        tests: &["retinue-server"],
    },
    Reserved {
        crates: &["axum", "tower-http", "askama", "utoipa-axum"],
        users: &["retinue-web", "retinue-server", TESTKIT],
        tests: &[],
    },
    Reserved {
        crates: &["reqwest"],
        users: &["retinue-agent", "retinue-oidc", TESTKIT],
        tests: &["retinue-server", "retinue-web"],
    },
    Reserved { crates: &["argon2", "pbkdf2", "lettre"], users: &["retinue-app"], tests: &[] },
    Reserved { crates: &["clap", "anyhow"], users: &["retinue-server", "xtask"], tests: &[] },
];

struct Reserved {
    crates: &'static [&'static str],
    users: &'static [&'static str],
    /// Crates that may use them in their tests only.
    tests: &'static [&'static str],
}

/// One crate's use of another.
struct Use<'a> {
    user: &'a str,
    used: &'a str,
    in_tests: bool,
}

pub(super) fn check(metadata: &Value) -> Result<Vec<Problem>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let user = text(package, "name")?;
        if !LAYERS.iter().any(|(name, _)| *name == user) {
            problems.push(unknown(user));
            continue;
        }
        let dependencies = package["dependencies"].as_array().context("a package has no dependencies")?;
        for dependency in dependencies {
            let in_tests = dependency["kind"].as_str() == Some("dev");
            let found = Use { user, used: text(dependency, "name")?, in_tests };
            problems.extend(wrong_layer(&found));
            problems.extend(reserved(&found));
        }
    }
    Ok(problems)
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata has no `{key}`"))
}

fn unknown(name: &str) -> Problem {
    Problem {
        place: name.to_owned(),
        wrong: "this crate has no layer".to_owned(),
        mend: "Add its row in xtask/src/check/layers.rs, and to the picture in ARCHITECTURE.md.".to_owned(),
    }
}

fn wrong_layer(found: &Use<'_>) -> Option<Problem> {
    let allowed = LAYERS.iter().find(|(name, _)| *name == found.user).map(|(_, allowed)| *allowed)?;
    let is_ours = LAYERS.iter().any(|(name, _)| *name == found.used);
    let for_tests = found.in_tests && found.user != "xtask" && found.used != "xtask";
    if !is_ours || for_tests || allowed.contains(&found.used) {
        return None;
    }
    let mend = if found.used == TESTKIT {
        "Only tests may use it: move it to [dev-dependencies].".to_owned()
    } else if allowed.is_empty() {
        "It uses no crate of ours: move the code to the layer that may.".to_owned()
    } else {
        format!("It may use {}: move the code to the layer that may.", allowed.join(", "))
    };
    Some(Problem { place: found.user.to_owned(), wrong: format!("uses {}, against the layer rule", found.used), mend })
}

fn reserved(found: &Use<'_>) -> Option<Problem> {
    let rule = RESERVED.iter().find(|rule| rule.crates.contains(&found.used))?;
    let allowed = rule.users.contains(&found.user) || (found.in_tests && rule.tests.contains(&found.user));
    let mend = || match rule.tests {
        [] => format!("Only {} may.", rule.users.join(", ")),
        tests => format!("Only {} may, and the tests of {}.", rule.users.join(", "), tests.join(", ")),
    };
    let wrong = || format!("uses {}, which belongs to another layer", found.used);
    (!allowed).then(|| Problem { place: found.user.to_owned(), wrong: wrong(), mend: mend() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is wrong when `name` has this one dependency of this kind.
    fn wrong(name: &str, dependency: &str, kind: &Value) -> Option<String> {
        let dependencies = [json!({"name": dependency, "kind": kind})];
        let metadata = json!({"packages": [{"name": name, "dependencies": dependencies}]});
        let mut problems = check(&metadata).expect("the metadata is complete");
        assert!(problems.len() < 2, "{problems:?}");
        problems.pop().map(|problem| format!("{} {}", problem.place, problem.wrong))
    }

    #[test]
    fn data_flows_one_way() {
        let normal = Value::Null;
        assert_eq!(wrong("retinue-app", "retinue-store", &normal), None);
        assert_eq!(wrong("retinue-server", "retinue-web", &normal), None);
        let said = wrong("retinue-web", "retinue-store", &normal);
        assert_eq!(said.as_deref(), Some("retinue-web uses retinue-store, against the layer rule"));
        assert!(wrong("retinue-model", "retinue-app", &normal).is_some());
        assert!(wrong("retinue-store", "retinue-app", &json!("build")).is_some());
        assert!(wrong("xtask", "retinue-model", &normal).is_some());
    }

    #[test]
    fn the_testkit_is_for_tests() {
        assert_eq!(wrong("retinue-server", "retinue-testkit", &json!("dev")), None);
        assert_eq!(wrong("retinue-testkit", "retinue-server", &Value::Null), None);
        assert!(wrong("retinue-server", "retinue-testkit", &Value::Null).is_some());
        assert!(wrong("xtask", "retinue-testkit", &json!("dev")).is_some());
    }

    #[test]
    fn some_crates_belong_to_one_layer() {
        assert_eq!(wrong("retinue-store", "rusqlite", &Value::Null), None);
        assert_eq!(wrong("retinue-server", "tokio-postgres", &json!("dev")), None);
        assert!(wrong("retinue-server", "tokio-postgres", &Value::Null).is_some());
        assert!(wrong("retinue-app", "axum", &Value::Null).is_some());
        assert!(wrong("retinue-app", "reqwest", &json!("dev")).is_some());
        assert!(wrong("retinue-app", "anyhow", &Value::Null).is_some());
        assert_eq!(wrong("retinue-app", "argon2", &Value::Null), None);
        assert!(wrong("retinue-web", "lettre", &json!("dev")).is_some());
        assert_eq!(wrong("retinue-app", "serde", &Value::Null), None);
    }

    #[test]
    fn a_new_crate_must_be_given_its_layer() {
        let said = wrong("retinue-new", "serde", &Value::Null);
        assert_eq!(said.as_deref(), Some("retinue-new this crate has no layer"));
    }
}
