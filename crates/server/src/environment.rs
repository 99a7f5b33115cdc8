//! Environment variables as configuration: `RETINUE__SECTION__KEY` for every key, and plain names for the common ones.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::config::ConfigError;

/// A snapshot of the environment.
pub type Environment = BTreeMap<String, String>;

/// Names that people know, and the keys they set.
const PLAIN: [(&str, &str); 12] = [
    ("AUTH_MODE", "auth.mode"),
    ("DATABASE_URL", "database.url"),
    ("OIDC_CLIENT_ID", "auth.oidc.client_id"),
    ("OIDC_CLIENT_SECRET", "auth.oidc.client_secret"),
    ("OIDC_ISSUER_URL", "auth.oidc.issuer"),
    ("OIDC_REDIRECT_URI", "auth.oidc.redirect_uri"),
    ("OIDC_SCOPES", "auth.oidc.scopes"),
    ("OPENAI_API_KEY", "providers.openai_api_key"),
    ("OPENAI_BASE_URL", "providers.openai_base_url"),
    ("RETINUE_DATA_DIR", "data.dir"),
    ("RETINUE_LISTEN", "server.listen"),
    ("RETINUE_PUBLIC_URL", "server.public_url"),
];
const PREFIX: &str = "RETINUE__";

/// A key that the environment sets.
#[derive(Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) variable: String,
    pub(crate) value: Value,
}

/// What the environment sets, checked against the keys and types of `defaults`. A variable that is set and empty sets
/// nothing, as is usual in compose files.
pub(crate) fn settings(environment: &Environment, defaults: &Table) -> Result<Vec<Setting>, ConfigError> {
    let mut settings: Vec<Setting> = Vec::new();
    for (variable, text) in environment.iter().filter(|(_, text)| !text.is_empty()) {
        let Some((key, text)) = key(variable, text)? else { continue };
        let default = lookup(defaults, &key).ok_or_else(|| {
            ConfigError::new(
                variable,
                format!("sets `{key}`, which is no key of the configuration. `retinue config show` lists them."),
            )
        })?;
        let value = parse(variable, &text, default)?;
        if let Some(other) = settings.iter().find(|other| other.key == key && other.value != value) {
            let other = &other.variable;
            return Err(ConfigError::new(
                variable,
                format!("and {other} both set `{key}`, to different values. Unset one of them."),
            ));
        }
        settings.push(Setting { key, variable: variable.clone(), value });
    }
    Ok(settings)
}

/// The key that a variable sets, and to what.
fn key(variable: &str, text: &str) -> Result<Option<(String, String)>, ConfigError> {
    if let Some((_, key)) = PLAIN.iter().find(|(name, _)| *name == variable) {
        return Ok(Some(((*key).to_owned(), text.to_owned())));
    }
    if variable == "DISABLE_AUTH" {
        return match text {
            "true" | "1" => Ok(Some(("auth.mode".to_owned(), "single_user".to_owned()))),
            "false" | "0" => Ok(None),
            _ => Err(ConfigError::new(variable, "must be true or false.")),
        };
    }
    Ok(variable.strip_prefix(PREFIX).map(|rest| (rest.to_ascii_lowercase().replace("__", "."), text.to_owned())))
}

/// The value at `key` (`a.b`).
pub(crate) fn lookup<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, name) = key.split_once('.')?;
    match name.split_once('.') {
        None => table.get(section)?.as_table()?.get(name).filter(|value| !value.is_table()),
        Some(_) => lookup(table.get(section)?.as_table()?, name),
    }
}

/// Reads `text` as what the default is.
fn parse(variable: &str, text: &str, default: &Value) -> Result<Value, ConfigError> {
    let wrong = |wanted: &str| ConfigError::new(variable, format!("must be {wanted}."));
    match default {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Boolean(_) => text.parse().map(Value::Boolean).map_err(|_| wrong("true or false")),
        Value::Integer(_) => text.replace('_', "").parse().map(Value::Integer).map_err(|_| wrong("a whole number")),
        Value::Array(_) => parse_list(text).ok_or_else(|| wrong("a list: [\"a\", \"b\"] or a,b")),
        _ => Err(wrong("set in the file")),
    }
}

fn parse_list(text: &str) -> Option<Value> {
    if text.trim_start().starts_with('[') {
        let table: Table = format!("list = {text}").parse().ok()?;
        return table.get("list").filter(|list| list.is_array()).cloned();
    }
    Some(Value::Array(text.split(',').map(|entry| Value::String(entry.trim().to_owned())).collect()))
}
