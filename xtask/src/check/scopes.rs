//! Where it may be said whose rows are meant. Everything that belongs to somebody is reached by a value that says so; these
//! are the places that make one, and each of them knows why it may.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Problem;

/// What makes such a value, and the files that may.
const MAKERS: &[(&str, &[&str])] = &[
    // What a request acts as, from the credential that it showed.
    ("Principal::of_session(", &["crates/app/src/session.rs"]),
    ("Principal::of_key(", &["crates/app/src/api_key.rs"]),
    ("Principal::local_user(", &["crates/app/src/known.rs"]),
    ("Context::of_session(", &["crates/app/src/visit.rs"]),
    ("Context::of_key(", &["crates/app/src/visit.rs"]),
    // The only user there is where nobody signs in, and the program's own words at its start.
    (".local_context(", &["crates/web/src/guard.rs", "crates/server/src/serve.rs", "crates/server/src/greeting.rs"]),
    // What one user owns.
    ("Scope::of(", &["crates/app/src/context.rs"]),
    ("Scope::of_row(", &["crates/store/src/run.rs"]),
    ("Pen::of(", &["crates/store/src/run.rs"]),
    // What belongs to a team, once it was decided that it may be reached.
    ("TeamScope::granted(", &["crates/app/src/access.rs"]),
    // The people of an organization; and who vouches for them and who runs it, also when nobody asks.
    (
        "Tenant::default_organization(",
        &[
            "crates/app/src/context.rs",
            "crates/app/src/administration.rs",
            "crates/app/src/admin.rs",
            "crates/app/src/voucher.rs",
        ],
    ),
    ("Tenant::of(", &[]),
    // What the program looks after itself.
    ("System::at_start(", &["crates/app/src/work.rs", "crates/app/src/agent/declared.rs", "crates/app/src/setting.rs"]),
    (
        "System::in_background(",
        &[
            "crates/app/src/administration/audit.rs",
            "crates/app/src/api_key.rs",
            "crates/app/src/key.rs",
            "crates/app/src/password/kept.rs",
            "crates/app/src/session.rs",
            "crates/app/src/retention.rs",
            "crates/app/src/session_watch.rs",
        ],
    ),
];

/// Layers that have to do with rows.
const CRATES: [&str; 4] = ["store", "app", "web", "server"];

pub(super) fn check(root: &Path) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for name in CRATES {
        search(root, &root.join("crates").join(name).join("src"), &mut problems)?;
    }
    Ok(problems)
}

fn search(root: &Path, directory: &Path, problems: &mut Vec<Problem>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            search(root, &path, problems)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            problems.extend(wrong(&file, &fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// The lines of a file, but for its tests, that make what it may not make.
fn wrong(file: &str, text: &str) -> Vec<Problem> {
    if file.ends_with("/tests.rs") || file.contains("/tests/") {
        return Vec::new();
    }
    let code = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("mod tests {"));
    let found = code.flat_map(|(index, line)| {
        let makers =
            MAKERS.iter().filter(move |(maker, _)| line.contains(maker) && !line.trim_start().starts_with("//"));
        makers.filter(|(_, files)| !files.contains(&file)).map(move |(maker, _)| (index, *maker))
    });
    let problem = |(index, maker): (usize, &str)| Problem {
        place: format!("{file}:{}", index + 1),
        wrong: format!("says whose rows are meant: {maker}…)"),
        mend: "Take the value from whoever calls. If this place knows why it may, add it in xtask/src/check/scopes.rs."
            .to_owned(),
    };
    found.map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_places_say_whose_rows_are_meant() {
        let line = "    let scope = Scope::of(&principal);\n";
        assert!(wrong("crates/app/src/context.rs", line).is_empty());
        let problems = wrong("crates/app/src/thread.rs", &format!("\n{line}"));
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place, "crates/app/src/thread.rs:2");
        assert!(wrong("crates/app/src/thread.rs", &format!("// {line}")).is_empty());
        assert!(wrong("crates/app/src/thread.rs", &format!("#[cfg(test)]\nmod tests {{\n{line}}}\n")).is_empty());
        assert!(wrong("crates/store/src/append/tests.rs", line).is_empty());
        assert!(wrong("crates/store/src/scope/tests/owner.rs", line).is_empty());
    }
}
