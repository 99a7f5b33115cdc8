//! The configuration's layers, from the weakest: defaults, file, environment. Remembers where each key came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::{Config, ConfigError};
use crate::environment::{self, Environment};

/// The defaults, and the reference.
pub(crate) const DEFAULTS: &str = include_str!("../config.default.toml");

/// The file that is read if it is there and no other was named.
const USUAL_FILE: &str = "retinue.toml";

/// Everything that was read.
#[derive(Debug)]
pub struct Layers {
    pub(crate) table: Table,
    /// Key → where it was set, if not by default.
    pub(crate) origins: BTreeMap<String, String>,
    pub(crate) file: Option<PathBuf>,
}

impl Layers {
    /// Reads the file and the environment over the defaults.
    ///
    /// # Errors
    /// What is wrong with which key, and how to mend it.
    pub fn read(named: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let defaults = defaults()?;
        let mut layers = Self { table: defaults.clone(), origins: BTreeMap::new(), file: None };
        let named = named
            .map(Path::to_owned)
            .or_else(|| environment.get("RETINUE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
        if let Some(path) = named.or_else(|| Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists())) {
            layers.add_file(path, &defaults)?;
        }
        for setting in environment::settings(environment, &defaults)? {
            put(&mut layers.table, &setting.key, setting.value);
            layers.origins.insert(setting.key, format!("environment {}", setting.variable));
        }
        Ok(layers)
    }

    /// The configuration in types.
    ///
    /// # Errors
    /// What is wrong with which key, and how to mend it.
    pub fn config(&self, environment: &Environment) -> Result<Config, ConfigError> {
        let mut table = self.table.clone();
        complete_providers(&mut table, &defaults()?);
        let config: Config = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let key = error.path().to_string();
            let reason = error.into_inner().to_string();
            ConfigError::new(&key, format!("{}{}", reason.trim(), self.place(&key)))
        })?;
        let defaults = defaults()?;
        let is_other = |key: &&str| environment::lookup(&self.table, key) != environment::lookup(&defaults, key);
        let mut set = self.origins.keys().map(String::as_str).filter(is_other);
        config.auth.check_unused(&mut set).and_then(|()| config.check(environment)).map_err(|error| {
            let place = self.place(&error.key);
            ConfigError::new(&error.key, format!("{}{place}", error.reason))
        })?;
        Ok(config)
    }

    /// " (set by …)", if it was set.
    fn place(&self, key: &str) -> String {
        match (self.origins.get(key), &self.file) {
            (Some(origin), _) => format!(" (set by {origin})"),
            (None, Some(file))
                if ["models", "agents", "auth.providers", "auth.group_rules"]
                    .iter()
                    .any(|list| key.starts_with(list)) =>
            {
                format!(" (set by {})", file.display())
            }
            _ => String::new(),
        }
    }

    fn add_file(&mut self, path: PathBuf, defaults: &Table) -> Result<(), ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| ConfigError::new(&name, format!("can't be read: {error}.")))?;
        let table: Table =
            text.parse().map_err(|error: toml::de::Error| ConfigError::new(&name, format!("is not TOML: {error}")))?;
        let mut keys = Vec::new();
        collect(&table, "", &mut keys);
        for (key, value) in keys {
            if !is_list_of_tables(&key) && environment::lookup(defaults, &key).is_none() {
                return Err(ConfigError::new(&key, unknown(&key, defaults, &name)));
            }
            put(&mut self.table, &key, value);
            self.origins.insert(key, name.clone());
        }
        self.file = Some(path);
        Ok(())
    }
}

fn defaults() -> Result<Table, ConfigError> {
    DEFAULTS.parse().map_err(|error: toml::de::Error| ConfigError::new("config.default.toml", error.to_string()))
}

fn is_list_of_tables(key: &str) -> bool {
    matches!(key, "models" | "agents" | "auth.providers" | "auth.group_rules")
}

/// What an entry of `auth.providers` does not say is as in the defaults of `auth.oidc`.
fn complete_providers(table: &mut Table, defaults: &Table) {
    let usual = defaults.get("auth").and_then(|auth| auth.get("oidc")).and_then(Value::as_table);
    let providers = table.get_mut("auth").and_then(|auth| auth.get_mut("providers")).and_then(Value::as_array_mut);
    let (Some(usual), Some(providers)) = (usual, providers) else { return };
    for entry in providers.iter_mut().filter_map(Value::as_table_mut) {
        for (key, value) in usual.iter().filter(|(key, _)| *key != "name") {
            entry.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// All keys that are not tables themselves, as `a.b`.
pub(crate) fn collect(table: &Table, prefix: &str, keys: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => collect(inner, &key, keys),
            other => keys.push((key, other.clone())),
        }
    }
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                put(section, rest, value);
            }
        }
    }
}

fn unknown(key: &str, defaults: &Table, file: &str) -> String {
    let mut known = Vec::new();
    collect(defaults, "", &mut known);
    let nearest = known.iter().map(|(known, _)| (strsim::damerau_levenshtein(key, known), known)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 4 => {
            format!("is no key of the configuration. Did you mean `{nearest}`? ({file})")
        }
        _ => format!("is no key of the configuration. `retinue config show` lists them. ({file})"),
    }
}
