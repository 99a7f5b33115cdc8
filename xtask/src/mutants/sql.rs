//! Conditions of statements that say whose rows are meant, or which of them still count. Each is a mutant: without it the
//! statement reaches every row.

use std::collections::HashMap;

use super::{Change, Mutant, noun};

/// What such a condition looks like; `$` stands for any parameter.
const CONDITIONS: [&str; 28] = [
    // Whose.
    "owner_user_id = $",
    "user_id = $",
    "organization_id = $",
    // Who it is to a provider, and in which of its sessions.
    "provider = $",
    "issuer = $",
    "subject = $",
    "provider_session = $",
    // Which way in.
    "id <> $",
    "address = $",
    "email_key = $",
    "email_verified = $",
    "password_hash IN ($, $)",
    "password_hash IS NULL",
    "address_verified_at IS NULL",
    "CAST($ AS BIGINT) = 1",
    // What for.
    "purpose = $",
    // Whether it still counts.
    "disabled_at IS NULL",
    "organization_admin = $",
    "ended_at IS NULL",
    "used_at IS NULL",
    "used_by = $",
    "token_hash = $",
    "code_hash IS NOT NULL",
    "expires_at > $",
    "attempts < $",
    "last_seen_at > $",
    "refresh_at <= $",
    "refresh_claim = $",
];

/// The words after which one stands. After others, such as `SET`, the same text changes rows.
const BEFORE: [&str; 3] = ["WHERE", "AND", "OR"];

/// The conditions in a file of the store.
pub(super) fn conditions(file: &str, text: &str) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (statement, start, line) in lines(text) {
        for offset in 0..line.len() {
            let at = start + offset;
            let Some(length) = condition_at(text, at) else { continue };
            let at = at..at + length;
            let mut name = format!("{}::{statement}: {}", noun(file), &text[at.clone()]);
            let times = seen.entry(name.clone()).and_modify(|times| *times += 1).or_insert(1);
            if *times > 1 {
                name = format!("{name} (no. {times})");
            }
            mutants.push(Mutant { number: 0, name, file: file.to_owned(), at, change: Change::Everything });
        }
    }
    mutants
}

/// The lines of a file's statements, each with the statement's name and where it begins; but for what only PostgreSQL gets:
/// mutants live on SQLite.
fn lines(text: &str) -> Vec<(&str, usize, &str)> {
    let begin = text.find("statements! {\n").unwrap_or(text.len());
    let end = text[begin..].find("\n    }").map_or(text.len(), |end| begin + end);
    let (mut found, mut at, mut statement) = (Vec::new(), begin, None);
    for line in text[begin..end].split_inclusive('\n') {
        let words = line.trim_start();
        if let Some((name, _)) = words.split_once(" = ").filter(|(name, _)| is_name(name)) {
            statement = Some(name);
        } else if words.starts_with("postgres \"") {
            statement = None;
        }
        if let Some(name) = statement.filter(|_| !words.starts_with("//")) {
            found.push((name, at, line));
        }
        at += line.len();
    }
    found
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// How long the condition is that begins here, if one does.
fn condition_at(text: &str, at: usize) -> Option<usize> {
    if !text.is_char_boundary(at) || !stands_after_a_word_that_asks(&text[..at]) {
        return None;
    }
    let rest = &text[at..];
    // `t.owner_user_id`
    let table = rest.find('.').filter(|dot| rest[..*dot].bytes().all(|byte| byte.is_ascii_lowercase()));
    let column = table.map_or(0, |dot| dot + 1);
    CONDITIONS.iter().find_map(|condition| length(&rest[column..], condition)).map(|length| column + length)
}

fn stands_after_a_word_that_asks(before: &str) -> bool {
    let words = before.trim_end_matches(|c: char| c.is_whitespace() || c == '\\' || c == '(');
    words.len() < before.len() && BEFORE.iter().any(|word| words.ends_with(word))
}

/// How much of a text is this condition.
fn length(text: &str, condition: &str) -> Option<usize> {
    let mut rest = text;
    for (number, part) in condition.split('$').enumerate() {
        if number > 0 {
            rest = rest.strip_prefix('$')?.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        rest = rest.strip_prefix(part)?;
    }
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
    super::statements! {
        GET = "SELECT a FROM b WHERE id = $1 AND b.owner_user_id = $2";
        // This one is about user_id = $1.
        MOVE = "UPDATE b SET owner_user_id = $1, used_at = $2 \
            WHERE owner_user_id = $12 AND ((used_at IS NULL AND expires_at > $2) OR used_by = $3)";
        FIND = sqlite "SELECT a FROM b WHERE user_id = $1"
        postgres "SELECT a FROM b WHERE user_id = $1";
        LAST = "DELETE FROM b WHERE EXISTS (SELECT 1 FROM c WHERE user_id = $1 AND id <> $2) OR EXISTS (SELECT 1 FROM d WHERE user_id = $1)";
    }

    const OTHER: &str = "WHERE user_id = $1";
"#;

    #[test]
    fn conditions_are_found_and_nothing_else() {
        let found = conditions("crates/store/src/thing.rs", FILE);
        let names: Vec<&str> = found.iter().map(|mutant| mutant.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "thing::GET: b.owner_user_id = $2",
                "thing::MOVE: owner_user_id = $12",
                "thing::MOVE: used_at IS NULL",
                "thing::MOVE: expires_at > $2",
                "thing::MOVE: used_by = $3",
                "thing::FIND: user_id = $1",
                "thing::LAST: user_id = $1",
                "thing::LAST: id <> $2",
                "thing::LAST: user_id = $1 (no. 2)",
            ]
        );
        assert!(found.iter().all(|mutant| mutant.name.contains(&FILE[mutant.at.clone()])));
    }

    #[test]
    fn a_parameter_has_any_number() {
        assert_eq!(length("password_hash IN ($4, $1) AND", "password_hash IN ($, $)"), Some(25));
        assert_eq!(length("user_id = $12", "user_id = $"), Some(13));
        assert_eq!(length("user_id = 'x'", "user_id = $"), None);
    }
}
