//! `retinue config show`: every key with its value and where it came from, secrets hidden.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml::{Table, Value};

use crate::layers::Layers;

/// Keys whose value is never shown.
const SECRETS: [&str; 4] =
    ["providers.openai_api_key", "auth.oidc.client_secret", "auth.providers.client_secret", "mail.password"];

/// What is set, by key, as it is shown. Agents are not among it: each of theirs is told by itself.
pub(crate) fn settings(layers: &Layers) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    gather(&layers.table, "", &mut all);
    all.retain(|key, _| key != "agents" && !key.starts_with("agents."));
    all
}

fn gather(table: &Table, prefix: &str, all: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => gather(inner, &key, all),
            Value::Array(entries) if is_list_of_tables(value) => {
                let entry = |entry: &Table| {
                    let shown = entry
                        .iter()
                        .map(|(name, value)| format!("{name} = {}", shown(&format!("{key}.{name}"), value)));
                    format!("{{ {} }}", shown.collect::<Vec<_>>().join(", "))
                };
                let shown: Vec<_> = entries.iter().filter_map(Value::as_table).map(entry).collect();
                all.insert(key, format!("[{}]", shown.join(", ")));
            }
            _ => _ = all.insert(key.clone(), shown(&key, value)),
        }
    }
}

/// The configuration in force, as TOML.
pub(crate) fn text(layers: &Layers) -> String {
    let mut text = String::new();
    section(layers, &layers.table, "", &mut text);
    text.trim_start().to_owned()
}

fn section(layers: &Layers, table: &Table, prefix: &str, text: &mut String) {
    let is_leaf = |value: &Value| !value.is_table() && !is_list_of_tables(value);
    for (name, value) in table.iter().filter(|(_, value)| is_leaf(value)) {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let origin = layers.origins.get(&key).map_or_else(|| "default".to_owned(), Clone::clone);
        let line = format!("{name} = {}", shown(&key, value));
        let _ = writeln!(text, "{line:<48} # {origin}");
    }
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => {
                let _ = writeln!(text, "\n[{key}]");
                section(layers, inner, &key, text);
            }
            Value::Array(entries) if is_list_of_tables(value) => {
                for entry in entries.iter().filter_map(Value::as_table) {
                    let _ = writeln!(text, "\n[[{key}]]");
                    for (name, value) in entry {
                        let _ = writeln!(text, "{name} = {}", shown(&format!("{key}.{name}"), value));
                    }
                }
            }
            _ => {}
        }
    }
}

fn is_list_of_tables(value: &Value) -> bool {
    value.as_array().is_some_and(|entries| entries.first().is_some_and(Value::is_table))
}

fn shown(key: &str, value: &Value) -> String {
    match value.as_str() {
        Some(text) if SECRETS.contains(&key) && !text.is_empty() => "\"(hidden)\"".to_owned(),
        Some(text) if key == "database.url" => Value::String(without_password(text)).to_string(),
        _ => value.to_string(),
    }
}

/// `postgres://user:(hidden)@host/…`; what is not of that form is hidden as a whole.
pub(crate) fn without_password(url: &str) -> String {
    if url.is_empty() {
        return String::new();
    }
    let Some((scheme, rest)) = url.split_once("://") else { return "(hidden)".to_owned() };
    // A password may hold any character; the last @ ends it.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => {
            (user.split_once(':').map_or(user.to_owned(), |(user, _)| format!("{user}:(hidden)")) + "@", rest)
        }
        None => (String::new(), rest),
    };
    let hide =
        |pair: &str| if pair.starts_with("password=") { "password=(hidden)".to_owned() } else { pair.to_owned() };
    let rest = match rest.split_once('?') {
        Some((address, query)) => format!("{address}?{}", query.split('&').map(hide).collect::<Vec<_>>().join("&")),
        None => rest.to_owned(),
    };
    format!("{scheme}://{user}{rest}")
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_is_not_shown_wherever_it_stands() {
        for (url, shown) in [
            ("postgres://u:p:w@h/d", "postgres://u:(hidden)@h/d"),
            ("postgres://u:p@ss@h/d", "postgres://u:(hidden)@h/d"),
            ("postgres://u@h/d?password=x&sslmode=require", "postgres://u@h/d?password=(hidden)&sslmode=require"),
            ("postgres://u:hun?ter2@h/d", "postgres://u:(hidden)@h/d"),
            ("host=db.example user=u password=hunter2", "(hidden)"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
